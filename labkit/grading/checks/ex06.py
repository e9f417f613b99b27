"""Exercise 06: retrieval and an answer with sources. Judged on given documents; the model's part is played by known replies."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from typing import Any

from ...prompts import NO_ANSWER
from ..faulty import FaultyServer
from ..parts import Exercise, Trial

RECALL = 0.8  # share of questions whose passage must be among the first three
K = 3

exercise = Exercise(
    "06",
    {
        "chunks": {
            "en": "A list of texts is asked for.",
            "es": "Se pide una lista de textos.",
        },
        "size": {
            "en": "A chunk has more words than `size` allows, or fewer although words were left.",
            "es": "Un trozo tiene más palabras de las que permite `size`, o menos aunque quedaban palabras.",
        },
        "overlap": {
            "en": "Each chunk begins with the last `overlap` words of the one before it. How far does the start move each time?",
            "es": "Cada trozo empieza con las últimas `overlap` palabras del anterior. ¿Cuánto avanza el comienzo cada vez?",
        },
        "lost": {
            "en": "Words of the text are in no chunk. Look at the end of the text first.",
            "es": "Hay palabras del texto que no están en ningún trozo. Mira primero el final del texto.",
        },
        "tail": {
            "en": "The last chunk holds nothing that the one before it does not. When is the text used up?",
            "es": "El último trozo no contiene nada que no tenga el anterior. ¿Cuándo se ha agotado el texto?",
        },
        "never_ends": {
            "en": "With such an overlap the start does not move on, and a loop never ends. The task says what to do then.",
            "es": "Con ese solapamiento el comienzo no avanza y un bucle no termina nunca. La tarea dice qué hacer entonces.",
        },
        "places": {
            "en": "A list of places in `passages` is asked for: whole numbers from 0, each once, best first.",
            "es": "Se pide una lista de posiciones en `passages`: enteros desde 0, cada uno una vez, el mejor primero.",
        },
        "how_many": {
            "en": "At most k places, and no place of a passage that shares no word with the question.",
            "es": "Como mucho k posiciones, y ninguna de un pasaje que no comparta palabras con la pregunta.",
        },
        "recall": {
            "en": "Too often the right passage is not among the first k. Words that are everywhere tell nothing: do rare ones weigh more?",
            "es": "El pasaje correcto falta demasiadas veces. Lo que está en todos no dice nada: ¿pesan más las palabras raras?",
        },
        "letters": {
            "en": "The same word with a capital letter, or with a sign after it, is still the same word.",
            "es": "La misma palabra con mayúscula, o con un signo detrás, sigue siendo la misma palabra.",
        },
        "citations": {
            "en": "Other citations stand in this text. They are numbers in square brackets; several may stand in one pair.",
            "es": "En este texto hay otras citas. Son números entre corchetes; puede haber varios en un mismo par.",
        },
        "each_once": {
            "en": "Each source once, in the order in which the text cites it.",
            "es": "Cada fuente una vez, en el orden en que la cita el texto.",
        },
        "invented": {
            "en": "A citation for which there is no passage is invented. It is no source; passages are numbered from 1.",
            "es": "Una cita sin pasaje está inventada. No es una fuente; los pasajes se numeran desde 1.",
        },
        "what_was_sent": {
            "en": "The model did not get what it needs: the question and the passages that were found, numbered from 1 in their order.",
            "es": "Al modelo no le llegó lo que necesita: la pregunta y los pasajes hallados, numerados desde 1 en su orden.",
        },
        "too_much_sent": {
            "en": "Passages went to the model that were not among the k best. They cost tokens and distract.",
            "es": "Al modelo le llegaron pasajes que no estaban entre los k mejores. Cuestan tokens y distraen.",
        },
        "answer_keys": {
            "en": "A dict is asked for, with the keys text, sources and invented.",
            "es": "Se pide un dict con las claves text, sources e invented.",
        },
        "text_of_reply": {
            "en": "`text` is the model's answer as it came.",
            "es": "`text` es la respuesta del modelo tal como llegó.",
        },
        "wrong_numbers": {
            "en": "[1] is the first passage that the model was given, not the first of all. Translate back to places in `passages`.",
            "es": "[1] es el primer pasaje que recibió el modelo, no el primero de todos. Tradúcelo a posiciones en `passages`.",
        },
        "nothing_found": {
            "en": "Nothing was found, so there is nothing to answer from: no call of the model, and the sentence of the task.",
            "es": "No se halló nada, así que no hay de dónde responder: ninguna llamada al modelo, y la frase de la tarea.",
        },
    },
)

exercise.task(
    "06.1",
    2,
    {
        "en": "chunks(text, size, overlap): the words of the text in pieces of `size`, each with `overlap` words of the one before.",
        "es": "chunks(text, size, overlap): las palabras del texto en trozos de `size`, cada uno con `overlap` palabras del anterior.",
    },
    {
        "en": "Begin with `text.split()`, and with a loop whose start moves on by the same step.",
        "es": "Empieza con `text.split()` y con un bucle cuyo comienzo avance siempre lo mismo.",
    },
)
exercise.task(
    "06.2",
    3,
    {
        "en": "retrieve(question, passages, k): the places of the k best passages, best first.",
        "es": "retrieve(question, passages, k): las posiciones de los k mejores pasajes, el mejor primero.",
    },
    {
        "en": "Begin by counting the words that question and passage share; `terms`, above, gives the words of a text.",
        "es": "Empieza contando las palabras que comparten pregunta y pasaje; `terms`, arriba, da las palabras de un texto.",
    },
)
exercise.task(
    "06.3",
    2,
    {
        "en": "citations(text, n): the passages that a text cites, and the citations that are invented, for n passages.",
        "es": "citations(text, n): los pasajes que cita un texto y las citas inventadas, para n pasajes.",
    },
    {
        "en": "Begin with `re.findall` and a pattern for square brackets around digits.",
        "es": "Empieza con `re.findall` y un patrón de corchetes alrededor de cifras.",
    },
)
exercise.task(
    "06.4",
    3,
    {
        "en": "answer(model, question, passages, k, lang): text, sources and invented, from the k best passages.",
        "es": "answer(model, question, passages, k, lang): text, sources e invented, a partir de los k mejores pasajes.",
    },
    {
        "en": "Begin with your `retrieve`, and give what it finds to `lab.prompts.with_passages`.",
        "es": "Empieza con tu `retrieve` y dale lo que encuentre a `lab.prompts.with_passages`.",
    },
)


def invented_words(draw: random.Random, n: int) -> list[str]:
    """Words, all different: word17, ..."""
    return [f"{draw.choice('bdfgklmnprst')}{draw.choice('aeiou')}{place}" for place in range(n)]


def pieces(t: Trial, words: Sequence[str], size: int, overlap: int) -> None:
    """chunks(...) has the right size, overlap and end, and loses nothing."""
    found = t.call(" ".join(words), size, overlap)
    t.expect(isinstance(found, list) and all(type(piece) is str for piece in found), "chunks", "[str, ...]")
    split = [piece.split() for piece in found]
    t.expect({word for piece in split for word in piece} == set(words), "lost", {"en": "every word", "es": "todas las palabras"})
    t.expect(all(len(piece) <= size for piece in split) and all(len(piece) == size for piece in split[:-1]), "size", size)
    for before, piece in itertools.pairwise(split):
        t.expect(piece[:overlap] == before[len(before) - overlap :], "overlap", before[len(before) - overlap :])
        t.expect(len(piece) > overlap, "tail", {"en": "no chunk of old words alone", "es": "ningún trozo solo de palabras ya vistas"})
    t.expect([word for n, piece in enumerate(split) for word in piece[overlap if n else 0 :]] == list(words), "overlap", " ".join(words))


@exercise.part("06.1", 1)
def size_and_overlap(t: Trial) -> None:
    words = invented_words(random.Random(t.seed), 10)
    for size, overlap in ((4, 0), (4, 1), (5, 3)):
        pieces(t, words, size, overlap)


TOWN = {
    "en": [
        "The library of the town opens at nine and closes at seven. On the first Monday of the month the library is closed.",
        "The swimming pool of the town is heated from May on. The pool has a slide and a café.",
        "The mayor of the town is elected for four years. The office of the mayor is on the square.",
        "The ferry to the island leaves from the northern pier of the town. The ferry takes bicycles.",
        "The market of the town is on the square. Farmers of the valley sell cheese and honey on Saturday.",
        "The museum of the town shows old clocks. The oldest clock of the museum is from 1642.",
        "The hospital of the town has a helicopter pad. The hospital is in the street of the station.",
        "The theatre of the town plays in winter. In summer the actors of the theatre travel.",
        "The bakery of the town burns its oven with beech wood. The bakery is known for its rye bread.",
        "The school of the town has a garden. The pupils of the school grow beans and pumpkins.",
    ],
    "es": [
        "La biblioteca del pueblo abre a las nueve y cierra a las siete. El primer lunes de mes la biblioteca no abre.",
        "La piscina del pueblo está climatizada desde mayo. La piscina tiene un tobogán y un café.",
        "La alcaldesa del pueblo se elige por cuatro años. El despacho de la alcaldesa está en la plaza.",
        "El barco a la isla sale del muelle norte del pueblo. El barco lleva bicicletas.",
        "El mercado del pueblo está en la plaza. La gente del valle vende queso y miel el sábado.",
        "El museo del pueblo enseña relojes antiguos. El reloj más viejo del museo es de 1642.",
        "El hospital del pueblo tiene un helipuerto. El hospital está en la calle de la estación.",
        "El teatro del pueblo actúa en invierno. En verano la compañía del teatro viaja.",
        "La panadería del pueblo calienta el horno con leña de haya. La panadería es famosa por su pan de centeno.",
        "La escuela del pueblo tiene un huerto. El alumnado de la escuela cultiva judías y calabazas.",
    ],
}
# Question -> the place of its passage.
ASKED = {
    "en": {
        "On which day of the month is the library of the town closed?": 0,
        "Does the pool of the town have a slide?": 1,
        "For how many years is the mayor of the town elected?": 2,
        "Does the ferry of the town take bicycles to the island?": 3,
        "Who sells honey on the square of the town?": 4,
        "From when is the oldest clock of the town?": 5,
        "Where is the helicopter pad of the town?": 6,
        "What do the actors of the town do in the summer?": 7,
        "With which wood does the bakery of the town burn the oven?": 8,
        "Who in the town grows pumpkins?": 9,
    },
    "es": {
        "¿Qué lunes del mes no abre la biblioteca del pueblo?": 0,
        "¿Tiene tobogán la piscina del pueblo?": 1,
        "¿Por cuántos años se elige la alcaldesa del pueblo?": 2,
        "¿Lleva bicicletas el barco del pueblo a la isla?": 3,
        "¿Quién vende miel en la plaza del pueblo?": 4,
        "¿De qué año es el reloj más viejo del pueblo?": 5,
        "¿Dónde está el helipuerto del pueblo?": 6,
        "¿Qué hace la compañía de teatro del pueblo en verano?": 7,
        "¿Con qué leña calienta el horno la panadería del pueblo?": 8,
        "¿Quién cultiva calabazas en el pueblo?": 9,
    },
}


def forest(lang: str, draw: random.Random) -> tuple[list[str], dict[str, int]]:
    """Passages that hold one rare word each, among words that most of them share; and questions: eight such words and one rare one.

    Who counts shared words finds about a quarter of them, who weighs rare words more nearly all.
    """
    words = {"en": "the of in a and on to it is at", "es": "la de en un y con a lo es por"}[lang].split()
    rare = [f"{draw.choice('bdfgklmnprst')}{draw.choice('aeiou')}{draw.choice('nrst')}{draw.choice('aeiou')}{n:02d}" for n in range(60)]

    def around(word: str, n: int) -> str:
        return " ".join(draw.sample([word, *draw.sample(words, n)], n + 1))

    passages = [around(word, draw.randrange(6, 11)) for word in rare]
    return passages, {f"{around(word, 8)} ?": place for place, word in enumerate(rare[:20])}


def found_places(t: Trial, question: str, passages: Sequence[str], k: int) -> list[int]:
    """What retrieve returns, if it is a list of places."""
    found = t.call(question, list(passages), k)
    t.expect(isinstance(found, list) and all(type(place) is int for place in found), "places", "[int, ...]")
    t.expect(len(set(found)) == len(found) and all(0 <= place < len(passages) for place in found), "places", f"0 ... {len(passages) - 1}")
    t.expect(len(found) <= k, "how_many", f"<= {k}")
    return list(found)


def recall(t: Trial, passages: Sequence[str], asked: dict[str, int], k: int = K) -> None:
    """retrieve finds the passage of enough questions, wherever the passages stand."""
    draw = random.Random(t.seed)
    order = draw.sample(range(len(passages)), len(passages))
    mixed, missed = [passages[place] for place in order], []
    for question, place in asked.items():
        if order.index(place) not in found_places(t, question, mixed, k):
            missed.append(question)
    share = 1 - len(missed) / len(asked)
    t.note(input=missed[0] if missed else "", got=f"recall@{k} = {share:.2f}")
    t.expect(share >= RECALL, "recall", f"recall@{k} >= {RECALL}")


@exercise.part("06.2", 1)
def form_and_order(t: Trial) -> None:
    passages = ["red apple", "green pear and red plum", "yellow lemon", "Plum, red!"]
    found = found_places(t, "red plum?", passages, 4)
    t.expect(2 not in found, "how_many", {"en": "no passage without a shared word", "es": "ningún pasaje sin palabra común"})
    t.expect(set(found[:2]) == {1, 3}, "letters", "1, 3")
    t.expect(len(found_places(t, "red plum?", passages, 1)) == 1, "how_many", 1)
    t.expect(found_places(t, "blue?", passages, 3) == [], "how_many", [])


@exercise.part("06.2", 0.5)
def reaches_the_recall(t: Trial) -> None:
    recall(t, TOWN[t.lang], ASKED[t.lang])
    recall(t, *forest(t.lang, random.Random(t.seed)))


def cited(t: Trial, text: str, n: int, sources: Sequence[int], invented: Sequence[int], hint: str) -> None:
    """citations(text, n)."""
    found = t.call(text, n)
    t.expect_type(found, dict)
    expected = {"sources": list(sources), "invented": list(invented)}
    t.expect({"sources", "invented"} <= set(found), "type", expected)
    t.expect(all(isinstance(found[key], list) and all(type(one) is int for one in found[key]) for key in expected), "type", expected)
    if {*found["sources"], *found["invented"]} == {*sources, *invented}:
        hint = "each_once" if set(found["sources"]) == set(sources) else "invented"
    t.expect(found["sources"] == expected["sources"] and found["invented"] == expected["invented"], hint, expected)


@exercise.part("06.3", 0.5)
def finds_citations(t: Trial) -> None:
    cited(t, "At nine [2].", 3, [2], [], "citations")
    cited(t, "At nine [2], by ferry [1], and at nine [2].", 3, [2, 1], [], "each_once")
    cited(t, "Nobody knows.", 3, [], [], "citations")


@exercise.part("06.3", 0.5)
def tells_invented_ones(t: Trial) -> None:
    cited(t, "At nine [2] or ten [7].", 3, [2], [7], "invented")


def answered(t: Trial, reply: str, question: str, passages: Sequence[str], k: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What answer(...) returns for a model that gives this reply, and what went to the model."""
    with FaultyServer([{"say": re.findall(r"\s*\S+", reply)}]) as server:
        found = t.call(t.load(server.name()), question, list(passages), k, t.lang)
        calls = server.calls
    t.expect_type(found, dict)
    t.expect({"text", "sources", "invented"} <= set(found), "answer_keys", "text, sources, invented")
    t.expect(type(found["text"]) is str, "type", "text: str")
    for key in ("sources", "invented"):
        t.expect(isinstance(found[key], list) and all(type(one) is int for one in found[key]), "type", f"{key}: [int, ...]")
    return dict(found), calls


def sent(calls: Sequence[dict[str, Any]]) -> str:
    """Everything that the model was told."""
    return "\n".join(str(message.get("content", "")) for call in calls for message in call["messages"])


def numbered(text: str, passages: Sequence[str]) -> dict[int, int]:
    """Number in the prompt -> place of the passage, where each stands behind its number."""
    flat = " ".join(text.split())
    return {int(n): place for place, one in enumerate(passages) for n in re.findall(r"\[(\d+)\] " + re.escape(" ".join(one.split())), flat)}


@exercise.part("06.4", 1)
def gives_the_passages(t: Trial) -> None:
    question, passages = next(iter(ASKED[t.lang])), TOWN[t.lang]
    found, calls = answered(t, "Yes [1].", question, passages, 2)
    told = sent(calls)
    t.note(got=told)
    t.expect(len(calls) == 1 and question in told, "what_was_sent", question)
    places = numbered(told, passages)
    t.expect(sorted(places) == [1, 2] and 0 in places.values(), "what_was_sent", f"[1] {passages[0]}")
    t.expect(sum(passage in told for passage in passages) == 2, "too_much_sent", {"en": "two passages", "es": "dos pasajes"})
    t.note(got=found)
    t.expect(found["text"] == "Yes [1].", "text_of_reply", "Yes [1].")


@exercise.part("06.4", 0.5)
def says_when_nothing_is_found(t: Trial) -> None:
    found, calls = answered(t, "Yes [1].", "Xyzzy?", TOWN[t.lang], 3)
    t.expect(not calls, "nothing_found", {"en": "no call of the model", "es": "ninguna llamada al modelo"})
    t.expect(found["text"] == NO_ANSWER[t.lang] and found["sources"] == [], "nothing_found", NO_ANSWER[t.lang])
