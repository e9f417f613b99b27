"""What answers, traces and hits say about themselves, in the language of the question."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .retrieve import Hits

_SAID = {
    # The steps of a trace
    "hits": {"en": "{found} ({how}{more})", "es": "{found} ({how}{more})"},
    "one passages": {"en": "1 passage", "es": "1 pasaje"},
    "one sentences": {"en": "1 sentence", "es": "1 frase"},
    "passages": {"en": "{n} passages", "es": "{n} pasajes"},
    "sentences": {"en": "{n} sentences", "es": "{n} frases"},
    "below": {"en": ", {n} below the threshold {threshold:g}", "es": ", {n} por debajo del umbral {threshold:g}"},
    "repeats": {"en": ", repeats left out: {n}", "es": ", repeticiones descartadas: {n}"},
    "nothing": {
        "en": "nothing relevant ({how}{more}): no model is asked",
        "es": "nada relevante ({how}{more}): no se pregunta a ningún modelo",
    },
    "clean": {"en": "{passages}, nothing to change", "es": "{passages}, nada que cambiar"},
    "changed": {"en": "{passages}, changed: {changed}", "es": "{passages}, cambiados: {changed}"},
    "fit": {
        "en": "{kept} of {n} passages, {tokens} tokens {counted}{window}, {room} kept for the answer{left}",
        "es": "{kept} de {n} pasajes, {tokens} tokens {counted}{window}, {room} reservados para la respuesta{left}",
    },
    "exactly": {"en": "counted exactly", "es": "contados exactamente"},
    "estimated": {"en": "estimated", "es": "estimados"},
    "by the engine": {"en": "counted by the engine", "es": "contados por el motor"},
    "window": {"en": " of {window}", "es": " de {window}"},
    "left": {"en": "; left out: {ranks}", "es": "; quedan fuera: {ranks}"},
    "prompt": {"en": "instruction, {passages}, question", "es": "instrucción, {passages}, pregunta"},
    "reply": {"en": "{tokens} tokens from {model}{ended}", "es": "{tokens} tokens de {model}{ended}"},
    "ended": {"en": ", ended by {reason}", "es": ", terminada por {reason}"},
    "abstained": {"en": "it says that the passages do not say", "es": "dice que los pasajes no lo dicen"},
    "checked": {
        "en": "{good} of {n} sentences are held up by what they cite",
        "es": "lo que citan respalda {good} de {n} frases",
    },
    # What was changed in a passage
    "hidden": {"en": "hidden characters taken out ({n}): {names}", "es": "caracteres ocultos quitados ({n}): {names}"},
    "numbers": {
        "en": "numbers that look like those of passages, now in round brackets: {names}",
        "es": "números que parecen los de un pasaje, ahora entre paréntesis: {names}",
    },
    "controls": {
        "en": "names of control tokens (this engine reads them as text): {names}",
        "es": "nombres de tokens de control (este motor los lee como texto): {names}",
    },
    "defused": {
        "en": "names of control tokens (a space was put into them): {names}",
        "es": "nombres de tokens de control (se les ha puesto un espacio): {names}",
    },
    # Why a sentence is not held up
    "cites nothing": {"en": "it cites no passage", "es": "no cita ningún pasaje"},
    "no such passage": {"en": "there is no passage [{number}]", "es": "no hay ningún pasaje [{number}]"},
    "number missing": {"en": "the passage does not hold {words}", "es": "el pasaje no contiene {words}"},
    "words missing": {"en": "the passage does not hold: {words}", "es": "el pasaje no contiene: {words}"},
    # How they are shown
    "cited": {"en": "cited", "es": "citado"},
    "not asked": {
        "en": "Nothing relevant was found, so no model was asked.",
        "es": "No se ha encontrado nada relevante, así que no se ha preguntado a ningún modelo.",
    },
    "nothing for": {"en": "Nothing relevant was found for {question} ({left}).", "es": "Nada relevante para {question} ({left})."},
    "step": {"en": "step", "es": "paso"},
    "happened": {"en": "what happened", "es": "qué ha pasado"},
    "passage": {"en": "passage", "es": "pasaje"},
    "changes": {"en": "what was changed in it", "es": "qué se ha cambiado en él"},
    "the prompt": {"en": "the prompt", "es": "lo que se envía al modelo"},
    "rank": {"en": "rank", "es": "puesto"},
    "place": {"en": "place", "es": "lugar"},
    "score": {"en": "score", "es": "puntuación"},
    "relevance": {"en": "relevance", "es": "relevancia"},
    "vector": {"en": "cosine", "es": "coseno"},
    "vector_rank": {"en": "its rank", "es": "su puesto"},
    "vector_before": {"en": "with what comes before", "es": "con lo que va antes"},
    "lexical": {"en": "BM25", "es": "BM25"},
    "lexical_rank": {"en": "its rank", "es": "su puesto"},
    "words": {"en": "words", "es": "palabras"},
    "of passage": {"en": "its passage", "es": "su pasaje"},
}


def say(key: str, lang: str, **values: object) -> str:
    """A wording in a language, its values filled in.

    >>> say("left", "es", ranks="4, 5")
    '; quedan fuera: 4, 5'
    """
    return _SAID[key][lang].format(**values)


def count(n: int, unit: str, lang: str) -> str:
    """So many passages or sentences.

    >>> count(1, "sentences", "es"), count(3, "passages", "en")
    ('1 frase', '3 passages')
    """
    return say(f"one {unit}" if n == 1 else unit, lang, n=n)


def left_out(hits: Hits, lang: str) -> str:
    """What a search found and did not give, as the end of a list; empty where there is none."""
    below = say("below", lang, n=hits.below, threshold=hits.threshold) if hits.below else ""
    return below + (say("repeats", lang, n=hits.repeats) if hits.repeats else "")
