"""What displays say, in the reader's language: English stands where it is said, its Spanish here."""

from __future__ import annotations

import string
import sys
from typing import Any

from . import settings
from .prompts import LANGUAGES, language

THIN = "\u202f"  # a narrow space that no line ends at

SPANISH = {
    # -- replies --------------------------------------------------------------------------------------------------------------------
    "first token after {seconds:.2g} s": "primer token a los {seconds:.2g} s",
    "from the cache": "de la caché",
    "instead of {models}": "en lugar de {models}",
    "thinking": "razonamiento",
    "sent": "enviado",
    "value": "valor",
    "not obeyed": "sin efecto",
    "why": "por qué",
    "the prompt as the model got it": "el prompt tal como le llegó al modelo",
    "unit": "unidad",
    # -- models ---------------------------------------------------------------------------------------------------------------------
    "{model} on {engine}": "{model} en {engine}",
    ", context window {window}": ", contexto de {window}",
    ", closed": ", cerrado",
    "name": "nombre",
    "engine": "motor",
    "kind": "clase",
    "size": "tamaño",
    "parameters": "parámetros",
    "quantization": "cuantización",
    "context window": "contexto",
    "memory": "memoria",
    "fits": "cabe",
    "note": "nota",
    "yes": "sí",
    "no": "no",
    # -- measurements ---------------------------------------------------------------------------------------------------------------
    "state": "estado",
    "figure": "medida",
    "median": "mediana",
    "spread": "dispersión",
    "95% interval": "intervalo del 95 %",
    "memory of this process: {peak} at most, {growth} more than before": (
        "memoria de este proceso: {peak} como mucho, {growth} más que antes"
    ),
    "memory that Ollama reports: {size}, {on_gpu} of it on the GPU": "memoria según Ollama: {size}, de ella {on_gpu} en la GPU",
    "memory: unknown": "memoria: desconocida",
    "{cores} cores": "{cores} núcleos",
    "load {load:.1f}": "carga {load:.1f}",
    "In front of each warm prompt stands a random number, so that the engine does not know it.": "Delante de cada pregunta en caliente "
    "va un número al azar, para que el motor no la conozca.",
    "Nothing is cached here: this model forgets each prompt (prefix_cache=False).": "Aquí no hay nada en caché: este modelo olvida cada "
    "pregunta (prefix_cache=False).",
    "Cached replies have no prompt rate: their prompt was hardly computed.": "Las respuestas desde la caché no tienen velocidad de "
    "lectura: la pregunta apenas se calculó.",
    "Cold could not be measured: {error}": "No se pudo medir en frío: {error}",
    "Cold: loaded a second time; the system may still hold the file in its own cache.": "En frío: cargado por segunda vez; el sistema "
    "puede tener aún el archivo en su propia caché.",
    "Cold could not be measured: {engine} cannot be told to give the model back.": "No se pudo medir en frío: a {engine} no se le puede "
    "pedir que suelte el modelo.",
    "Memory is unknown: {engine} does not tell.": "No se conoce la memoria: {engine} no la dice.",
    "Some replies are shorter than 8 tokens: their generation rate says little.": "Algunas respuestas tienen menos de 8 tokens: su "
    "velocidad dice poco.",
    # -- streams --------------------------------------------------------------------------------------------------------------------
    "value (durations in s)": "valor (duraciones en s)",
    "seconds since the call": "segundos desde la llamada",
    "characters arrived": "caracteres recibidos",
    "gap between chunks (ms)": "pausa entre trozos (ms)",
    "chunks": "trozos",
    "a reply that is not streamed": "una respuesta sin streaming",
    "{model}: no text": "{model}: sin texto",
    "{model}: first text after {first:.2g} s, whole after {whole:.2g} s, {chunks} chunks": "{model}: primer texto a los {first:.2g} s, "
    "entero a los {whole:.2g} s, {chunks} trozos",
    ", median gap {gap:.2g} ms": ", pausa mediana {gap:.2g} ms",
    # -- comparisons, sweeps, reproductions -----------------------------------------------------------------------------------------
    "model": "modelo",
    "first token (s)": "primer token (s)",
    "Flagged: {flag}.": "Aviso: {flag}.",
    "{model}: {failed} of {n} calls failed, and its figures leave them out. First error: {error}": (
        "{model}: fallaron {failed} de {n} llamadas, y sus cifras no las cuentan. Primer error: {error}"
    ),
    "{failed} calls failed: see the column 'error'.": "Fallaron {failed} llamadas: mira la columna 'error'.",
    "{n} answers could not be scored: see the column 'score_error'.": (
        "No se pudieron puntuar {n} respuestas: mira la columna 'score_error'."
    ),
    "no clear difference in {unclear} of {n} pairs": "sin diferencia clara en {unclear} de {n} parejas",
    "no clear difference between {one} and {other}": "sin diferencia clara entre {one} y {other}",
    "too few answers to compare {one} and {other}": "muy pocas respuestas para comparar {one} y {other}",
    "One prompt at temperature 0 is one observation, however often it is repeated: no interval.": (
        "Un solo prompt a temperatura 0 es una sola observación, por mucho que se repita: no hay intervalo."
    ),
    "{higher} is higher than {lower}": "{higher} está por encima de {lower}",
    "{better} is preferred to {other}": "se prefiere {better} a {other}",
    "{done} of {n} answers of {model}, and their times, are from an earlier run: see 'from_log'.": (
        "{done} de {n} respuestas de {model}, y sus tiempos, son de una ejecución anterior: mira 'from_log'."
    ),
    "Without a run log, a run that is cut short starts anew.": "Sin registro, una ejecución que se corta empieza de nuevo.",
    "The run log ends early: {reason} ({path}).": "El registro acaba antes de tiempo: {reason} ({path}).",
    "The end of the run log is missing: {reason} ({path}).": "Falta el final del registro: {reason} ({path}).",
    "The last line of {file} was half-written; its call is made again.": "La última línea de {file} estaba a medias; su llamada se repite.",
    "{n} line(s) of {file} cannot be read; their calls are made again.": "No se pueden leer {n} líneas de {file}; sus llamadas se repiten.",
    "differs": "difiere",
    "{model} took most of its prompts from its cache, so its first token came sooner": (
        "{model} tomó de su caché la mayor parte de sus prompts, y por eso su primer token llegó antes"
    ),
    "asked for differently": "se pidió distinto",
    "ignored ({why})": "sin efecto ({why})",
    "changed from {wanted}": "cambiado desde {wanted}",
    "not sent": "no enviado",
    "line: 95 % interval": "línea: intervalo del 95 %",
    "vertical lines: 95 % intervals": "líneas verticales: intervalos del 95 %",
    "{y} against {x}.": "{y} frente a {x}.",
    "{figure} by {setting}.": "{figure} según {setting}.",
    "unknown": "desconocido",
    "mean over {settings}": "media sobre {settings}",
    "{model}: {n} answers to {prompt}": "{model}: {n} respuestas a {prompt}",
    "; for all: {options}": "; para todas: {options}",
    "Similarity: cosine of vectors, mean over all pairs.": "Similitud: coseno de los vectores, media de todas las parejas.",
    "Similarity: shared words, mean over all pairs.": "Similitud: palabras en común, media de todas las parejas.",
    "the same request": "la misma petición",
    "identical": "iguales",
    "first fork": "primera bifurcación",
    "{same} of {n}": "{same} de {n}",
    "after {n} tokens: {one} or {other}": "tras {n} tokens: {one} o {other}",
    "after {n} words: {one} or {other}": "tras {n} palabras: {one} o {other}",
    "{model}, seed {seed}": "{model}, semilla {seed}",
    "asked again in this process": "otra vez en este proceso",
    "asked after another prompt": "tras otra pregunta",
    "asked together with others": "junto con otras",
    "asked after the model was loaded again": "tras cargar el modelo de nuevo",
    "probability to be drawn (%)": "probabilidad de salir (%)",
    # -- documents and knowledge bases ----------------------------------------------------------------------------------------------
    "and {n} more": "y {n} más",
    "and {n:,} more characters": "y {n:,} caracteres más",
    "and more documents": "y más documentos",
    "1 page": "1 página",
    "{n} pages": "{n} páginas",
    "{n:,} characters": "{n:,} caracteres",
    "source": "fuente",
    "title": "título",
    "pages": "páginas",
    "page": "página",
    "characters": "caracteres",
    "notes": "notas",
    "text": "texto",
    "tokens": "tokens",
    "left out": "queda fuera",
    "added": "añadidos",
    "changed": "cambiados",
    "removed": "quitados",
    "unchanged": "sin cambios",
    "skipped": "fuera",
    "files": "archivos",
    "which": "cuáles",
    "{n} new passages": "{n} pasajes nuevos",
    "nothing to read": "nada que leer",
    "links to folders": "enlaces a carpetas",
    "passed over: {kinds}; labkit reads PDF, TXT, Markdown, JSON and JSONL": (
        "pasados por alto: {kinds}; labkit lee PDF, TXT, Markdown, JSON y JSONL"
    ),
    "{folder} is no longer there, and what was read from it still is here. To take it out: kb.remove({folder!r})": (
        "{folder} ya no existe, y lo que se leyó de ahí sigue aquí. Para quitarlo: kb.remove({folder!r})"
    ),
    "passages": "pasajes",
    "{n} documents": "{n} documentos",
    "{n} passages": "{n} pasajes",
    " of {least} to {most} tokens (median {middle})": " de {least} a {most} tokens (mediana {middle})",
    "words alone": "solo palabras",
    "in memory": "en memoria",
    "numpy, in this process": "numpy, en este proceso",
    "Qdrant, {where}, collection {name}": "Qdrant, {where}, colección {name}",
    "PostgreSQL, {where}, table {name}": "PostgreSQL, {where}, tabla {name}",
    "{n} questions failed, the first: {error}": "preguntas que han fallado: {n}; la primera: {error}",
    "chosen with other questions, it leaves {right:.0%} right and {refused:.0%} refused; use it: --threshold {threshold:.2f}": (
        "elegido con otras preguntas, acierta el {right:.0%} y rechaza el {refused:.0%}; úsalo: --threshold {threshold:.2f}"
    ),
    "threshold={threshold:.2f} keeps {kept} questions that have an answer and refuses {refused} that have none": (
        "threshold={threshold:.2f} conserva {kept} preguntas con respuesta y rechaza {refused} sin respuesta"
    ),
    "threshold={threshold:.2f}: {kept} questions that have an answer are answered rightly, {refused} that have none are refused": (
        "threshold={threshold:.2f}: responde bien {kept} preguntas con respuesta y rechaza {refused} sin respuesta"
    ),
    "{share:.0%} ({low:.0%} to {high:.0%}) of {n}": "el {share:.0%} (de {low:.0%} a {high:.0%}) de {n}",
    # -- why a file was left out, and what is worth a note ----------------------------------------------------------------------------
    "it begins as {encoding} and goes on as something else": "empieza como {encoding} y sigue como otra cosa",
    "read as Windows-1252, since it is not UTF-8": "leído como Windows-1252, porque no es UTF-8",
    "the last character was cut in half and left out": "el último carácter estaba cortado por la mitad y se dejó fuera",
    "read as UTF-16 without a mark": "leído como UTF-16 sin marca",
    "it holds bytes of zero: it is no text file": "contiene bytes a cero: no es un archivo de texto",
    "it is no text: most of it are control characters": "no es texto: casi todo son caracteres de control",
    "holds 1 hidden character: {names}": "contiene 1 carácter oculto: {names}",
    "holds {n} hidden characters: {names}": "contiene {n} caracteres ocultos: {names}",
    "it holds no text": "no contiene texto",
    "it holds no text in the fields {fields}; there are: {known}": "no contiene texto en los campos {fields}; hay: {known}",
    "none": "ninguno",
    "it holds {n:,} records, more than {most:,}": "contiene {n:,} registros, más de {most:,}",
    "it holds more than {most:,} records": "contiene más de {most:,} registros",
    "none of its lines is JSON": "ninguna de sus líneas es JSON",
    "lines that are no JSON were left out: {lines}": "líneas que no son JSON, fuera: {lines}",
    "its JSON is nested too deeply": "su JSON está anidado a demasiada profundidad",
    "it is no JSON in line {line}: {reason}": "no es JSON en la línea {line}: {reason}",
    "it is no JSON: {reason}": "no es JSON: {reason}",
    "it holds no text on its pages ({n}), only pictures: it was probably scanned. Run OCR on it first (ocrmypdf)": (
        "no hay texto en sus páginas ({n}), solo imágenes: seguramente está escaneado. Pásale antes un OCR (ocrmypdf)"
    ),
    "no text on page {pages}": "sin texto en la página {pages}",
    "tables were looked for on the first {n} pages only, which took long: cells of later ones stand beside one another": (
        "solo se buscaron tablas en las {n} primeras páginas, porque llevó mucho tiempo: en las demás, las celdas van seguidas"
    ),
    "page {page} holds text that a reader does not see: {text}": "la página {page} contiene texto que quien lee no ve: {text}",
    "page {page} holds text that is white, seen only on a coloured ground: {text}": (
        "la página {page} contiene texto blanco, que solo se ve sobre un fondo de color: {text}"
    ),
    "the text of page {pages} is an OCR layer, or nobody sees it": "el texto de la página {pages} es una capa de OCR, o nadie lo ve",
    "reading PDF files needs the package pypdf: pip install pypdf": "para leer archivos PDF hace falta el paquete pypdf: pip install pypdf",
    "it was not read after {seconds:g} s, so it was given up": "a los {seconds:g} s no se había leído, así que se abandonó",
    "reading it broke the reader: it wants too much memory, or is damaged on purpose": (
        "al leerlo se rompió el lector: pide demasiada memoria o está dañado a propósito"
    ),
    "it is encrypted and wants a password: save it without one": "está cifrado y pide contraseña: guárdalo sin ella",
    "it has {n:,} pages, more than {most:,}": "tiene {n:,} páginas, más de {most:,}",
    "its text has more than {most:,} characters": "su texto tiene más de {most:,} caracteres",
    "it is encrypted in a way that needs another package: pip install 'pypdf[crypto]', or save it without a password": (
        "está cifrado de un modo que necesita otro paquete: pip install 'pypdf[crypto]', o guárdalo sin contraseña"
    ),
    "its parts are nested too deeply": "sus partes están anidadas a demasiada profundidad",
    "it unpacks to more than memory holds": "al desempaquetarlo no cabe en la memoria",
    "it is damaged or no PDF: {reason}": "está dañado o no es un PDF: {reason}",
    "it is damaged: {reason}": "está dañado: {reason}",
    "more than {most:,} files: the rest was left out": "más de {most:,} archivos: el resto se dejó fuera",
    "files without an ending": "archivos sin extensión",
    "labkit reads {kinds}, not {other}": "labkit lee {kinds}, no {other}",
    "it is a link that leads out of the folder": "es un enlace que sale de la carpeta",
    "it cannot be opened: {reason}": "no se puede abrir: {reason}",
    "it is no ordinary file": "no es un archivo corriente",
    "it is empty": "está vacío",
    "it has {size:.0f} MB, more than the {most:.0f} MB that one file may have": (
        "tiene {size:.0f} MB, más de los {most:.0f} MB que puede tener un archivo"
    ),
    "it cannot be read: {reason}": "no se puede leer: {reason}",
    "its text has {n:,} characters, more than {most:,}": "su texto tiene {n:,} caracteres, más de {most:,}",
    # -- answers over documents, in the language of the question -------------------------------------------------------------------
    "{found} ({how}{more})": "{found} ({how}{more})",
    ", {n} below the threshold {threshold:g}": ", {n} por debajo del umbral {threshold:g}",
    ", repeats left out: {n}": ", repeticiones descartadas: {n}",
    "nothing relevant ({how}{more}): no model is asked": "nada relevante ({how}{more}): no se pregunta a ningún modelo",
    "{passages}, nothing to change": "{passages}, nada que cambiar",
    "{passages}, changed: {changed}": "{passages}, cambiados: {changed}",
    "{kept} of {n} passages, {tokens} tokens {counted}{window}, {room} kept for the answer{left}": (
        "{kept} de {n} pasajes, {tokens} tokens {counted}{window}, {room} reservados para la respuesta{left}"
    ),
    "counted exactly": "contados exactamente",
    "estimated": "estimados",
    "counted by the engine": "contados por el motor",
    " of {window}": " de {window}",
    "; left out: {ranks}": "; quedan fuera: {ranks}",
    "instruction, {passages}, question": "instrucción, {passages}, pregunta",
    "{tokens} tokens from {model}{ended}": "{tokens} tokens de {model}{ended}",
    ", ended by {reason}": ", terminada por {reason}",
    "it says that the passages do not say": "dice que los pasajes no lo dicen",
    "the model said nothing": "el modelo no ha dicho nada",
    "{good} of {n} sentences are held up by what they cite": "frases respaldadas por lo que citan: {good} de {n}",
    "hidden characters taken out ({n}): {names}": "caracteres ocultos quitados ({n}): {names}",
    "numbers that look like those of passages, now in round brackets: {names}": (
        "números que parecen los de un pasaje, ahora entre paréntesis: {names}"
    ),
    "names of control tokens (this engine reads them as text): {names}": (
        "nombres de tokens de control (este motor los lee como texto): {names}"
    ),
    "names of control tokens (a space was put into them): {names}": "nombres de tokens de control (se les ha puesto un espacio): {names}",
    "it cites no passage": "no cita ningún pasaje",
    "withheld: {problem}": "retenida: {problem}",
    "it names no e-mail address": "no dice ninguna dirección de correo",
    "it names no telephone number": "no dice ningún número de teléfono",
    "it names no year": "no dice ningún año",
    "it names no time": "no dice ninguna hora",
    "it names no price": "no dice ningún precio",
    "it names no number": "no dice ningún número",
    "it names no day": "no dice ningún día",
    "it names no length of time": "no dice cuánto tiempo",
    "it names no colour": "no dice ningún color",
    "it names no amount": "no dice ninguna cantidad",
    "there is no passage [{number}]": "no hay ningún pasaje [{number}]",
    "the passage does not hold {words}": "el pasaje no contiene {words}",
    "the passage does not hold: {words}": "el pasaje no contiene: {words}",
    "cited": "citado",
    "Nothing relevant was found, so no model was asked.": (
        "No se ha encontrado nada relevante, así que no se ha preguntado a ningún modelo."
    ),
    "Nothing relevant was found for {question} ({left}).": "Nada relevante para {question} ({left}).",
    "step": "paso",
    "what happened": "qué ha pasado",
    "passage": "pasaje",
    "what was changed in it": "qué se ha cambiado en él",
    "the prompt": "lo que se envía al modelo",
    "rank": "puesto",
    "place": "lugar",
    "score": "puntuación",
    "relevance": "relevancia",
    "cosine": "coseno",
    "its rank": "su puesto",
    "with what comes before": "con lo que va antes",
    "BM25": "BM25",
    "words": "palabras",
    "its passage": "su pasaje",
    "{passages}, {least} to {most} tokens": "{passages}, de {least} a {most} tokens",
    "new passages: {n}, texts embedded: {embedded}": "pasajes nuevos: {n}, textos vectorizados: {embedded}",
    "1 passage": "1 pasaje",
    "1 sentence": "1 frase",
    "{n} sentences": "{n} frases",
    "1 document": "1 documento",
    "{low:.3g} to {high:.3g}": "{low:.3g} a {high:.3g}",
    "{value:.2f} ({low:.2f} to {high:.2f})": "{value:.2f} (de {low:.2f} a {high:.2f})",
    "{found:+.3g} ({level:.0%} interval {ends}, n = {n})": "{found:+.3g} (intervalo del {level:.0%} {ends}, n = {n})",
    "no clear difference: {found}": "sin diferencia clara: {found}",
    "{way}: {same} identical {where}": "{way}: {same} iguales {where}",
}


def reader() -> str:
    """The reader's language: what the variable `lang` of a notebook says, else `LABKIT_LANG`, else the system's settings."""
    said = _of_notebook()
    return said if said in LANGUAGES else settings.language()


def _of_notebook() -> str:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return str(shell.user_ns.get("lang")) if shell else ""


def chosen(lang: str | None) -> str:
    """The language that a caller names, or the reader's; an OptionError for one that this course has not."""
    return reader() if lang is None else language(lang)


def say(english: str, lang: str | None = None, /, **values: object) -> str:
    """A text in a language, the reader's by default, its values filled in.

    >>> say("{n} passages", "es", n=3), say("{n} passages", "en", n=3)
    ('3 pasajes', '3 passages')
    """
    lang = lang or reader()
    return filled(SPANISH[english] if lang == "es" else english, lang, **values)


def filled(text: str, lang: str, /, **values: object) -> str:
    """A text of this language with its values.

    >>> filled("{n:,} tokens", "en", n=12345), filled("{n:,} tokens", "es", n=12345)
    ('12,345 tokens', '12\u202f345 tokens')
    """
    return (_Spanish() if lang == "es" else string.Formatter()).vformat(text, (), values)


class _Spanish(string.Formatter):
    """Thousands apart by a narrow space, since a comma would be read as a decimal mark."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        said = super().format_field(value, format_spec)
        return said.replace(",", THIN) if format_spec == "," else said


def count(n: int, unit: str, lang: str | None = None) -> str:
    """So many passages, sentences, documents or pages.

    >>> count(1, "sentences", "es"), count(3, "passages", "en")
    ('1 frase', '3 passages')
    """
    return say(f"1 {unit[:-1]}" if n == 1 else f"{{n}} {unit}", lang, n=n)
