"""Exercise 05: streaming. Judged with a server whose clock says what can have been measured, and with a real engine."""

from __future__ import annotations

import random
import re
import time
from typing import Any

from ..answers import Answer
from ..faulty import FaultyServer, Step
from ..parts import Exercise, Trial

STORY = {"en": "Tell a story about a fox.", "es": "Cuenta una historia de un zorro."}
MISSING: Step = {"refuse": 404, "error": "model 'good' not found"}
BREAKS: Step = {"break_after": ["Half", " an"]}

exercise = Exercise(
    "05",
    {
        "keys": {
            "en": "A dict is asked for, with the keys that the task names.",
            "es": "Se pide un dict con las claves que nombra la tarea.",
        },
        "joined": {
            "en": "The text is all chunks one after the other, with nothing between them and nothing left out.",
            "es": "El texto son todos los trozos seguidos, sin nada entre ellos y sin que falte ninguno.",
        },
        "chunks": {
            "en": "Count what the stream hands over: one for each turn of the loop.",
            "es": "Cuenta lo que entrega el flujo: uno por cada vuelta del bucle.",
        },
        "once": {
            "en": "The model is to be asked exactly once here. Count how often your code asks.",
            "es": "Aquí hay que preguntar al modelo exactamente una vez. Cuenta cuántas veces pregunta tu código.",
        },
        "clock_starts": {
            "en": "Nobody can have had the first text so early. The clock starts when the question goes out, not when the answer begins.",
            "es": "Nadie pudo tener el primer texto tan pronto. El reloj arranca al salir la pregunta, no al empezar la respuesta.",
        },
        "first_only": {
            "en": "The first text was there much earlier. Take the time in the loop, at the first chunk, and not again.",
            "es": "El primer texto llegó mucho antes. Toma el tiempo dentro del bucle, en el primer trozo, y no otra vez.",
        },
        "in_order": {
            "en": "The first text comes before the end, and both lie within the call. Is the unit seconds?",
            "es": "El primer texto llega antes del final, y ambos caen dentro de la llamada. ¿La unidad son segundos?",
        },
        "nothing_came": {
            "en": "An answer may be empty. Then there is no first text, and the task says what stands for that.",
            "es": "Una respuesta puede estar vacía. Entonces no hay primer texto, y la tarea dice qué poner.",
        },
        "options_go_on": {
            "en": "Options that your function gets must reach the engine. `**options` collects them, and passes them on as well.",
            "es": "Las opciones que recibe tu función deben llegar al motor. `**options` las recoge, y también las pasa.",
        },
        "read_on": {
            "en": "The server went on writing to the end: cutting the text afterwards saves nothing. End the stream itself.",
            "es": "El servidor siguió escribiendo hasta el final: cortar después el texto no ahorra nada. Termina el propio flujo.",
        },
        "too_few": {
            "en": "Fewer characters than asked came back, though more were on their way. When exactly is it enough?",
            "es": "Volvieron menos caracteres de los pedidos, aunque venían más. ¿Cuándo es suficiente exactamente?",
        },
        "whole_chunks": {
            "en": "What has arrived is kept as it is, the last chunk too: not cut, and none after it.",
            "es": "Lo que llegó se conserva tal cual, también el último trozo: sin cortarlo y sin ninguno más.",
        },
        "keep_partial": {
            "en": "What had arrived is lost. The error of a deadline carries it: look at its attributes.",
            "es": "Lo que había llegado se pierde. El error del plazo lo trae consigo: mira sus atributos.",
        },
        "no_error": {
            "en": "A deadline is nothing unusual here: return what arrived instead of raising.",
            "es": "Aquí un plazo vencido no es nada raro: devuelve lo que llegó en vez de lanzar un error.",
        },
        "complete": {
            "en": "`complete` says whether the answer came to its own end in time.",
            "es": "`complete` dice si la respuesta llegó a su propio final a tiempo.",
        },
        "only_the_deadline": {
            "en": "Only a deadline that passed is expected here. Every other error must reach the caller: which class do you catch?",
            "es": "Aquí solo se espera un plazo vencido. Cualquier otro error debe llegar a quien llamó: ¿qué clase capturas?",
        },
        "same_text": {
            "en": "Put together, the pieces must give the very text of the stream, spaces and line breaks included.",
            "es": "Juntos, los trozos deben dar exactamente el texto del flujo, con sus espacios y saltos de línea.",
        },
        "one_word": {
            "en": "A piece holds one word at most, and a word is never in two. What do you keep until the next chunk comes?",
            "es": "Un trozo contiene como mucho una palabra, y ninguna palabra va en dos. ¿Qué guardas hasta el trozo siguiente?",
        },
        "last_word": {
            "en": "No white space follows the last word. What do you do with what is left when the stream ends?",
            "es": "Tras la última palabra no hay espacio. ¿Qué haces con lo que queda cuando termina el flujo?",
        },
        "at_once": {
            "en": "The whole answer was there before the first word came out. `yield` inside the loop gives each word at once.",
            "es": "La respuesta entera estaba ahí antes de salir la primera palabra. Un `yield` en el bucle da cada una enseguida.",
        },
    },
)

exercise.task(
    "05.1",
    3,
    {
        "en": "timed(model, prompt, **options): text, first (seconds until the first text), total (seconds), chunks.",
        "es": "timed(model, prompt, **options): text, first (segundos hasta el primer texto), total (segundos), chunks.",
    },
    {
        "en": "Begin with a loop over `model.stream(...)` that adds up `chunk.text`.",
        "es": "Empieza con un bucle sobre `model.stream(...)` que vaya sumando `chunk.text`.",
    },
)
exercise.task(
    "05.2",
    3,
    {
        "en": "read_until(model, prompt, characters, **options): the text, as soon as it has so many characters; the rest is cancelled.",
        "es": "read_until(model, prompt, characters, **options): el texto hasta tener esos caracteres; el resto se cancela.",
    },
    {
        "en": "Begin with the loop of task 1, and leave it when the text is long enough.",
        "es": "Empieza con el bucle de la tarea 1 y sal de él cuando el texto sea bastante largo.",
    },
)
exercise.task(
    "05.3",
    2,
    {
        "en": "read_within(model, prompt, seconds, **options): what arrives within the deadline, and whether it is complete.",
        "es": "read_within(model, prompt, seconds, **options): lo que llega dentro del plazo, y si está completo.",
    },
    {
        "en": "Begin with `model.chat(..., timeout=seconds)`, and look at the error that a slow server brings.",
        "es": "Empieza con `model.chat(..., timeout=seconds)` y mira el error que trae un servidor lento.",
    },
)
exercise.task(
    "05.4",
    2,
    {
        "en": "words(stream): a generator that gives the text of a stream word by word, each as soon as it is whole.",
        "es": "words(stream): un generador que da el texto de un flujo palabra a palabra, cada una en cuanto está entera.",
    },
    {
        "en": "Begin with a variable that holds the end of the text for which no white space has come yet.",
        "es": "Empieza con una variable que guarde el final del texto al que aún no siguió un espacio.",
    },
)


def timing(t: Trial, found: Any) -> dict[str, Any]:
    """A dict of the four figures."""
    t.expect_type(found, dict)
    t.expect({"text", "first", "total", "chunks"} <= set(found), "keys", "text, first, total, chunks")
    t.expect_type(found["text"], str)
    t.expect(type(found["chunks"]) is int, "type", "chunks: int")
    t.expect(type(found["total"]) in (int, float) and type(found["first"]) in (int, float, type(None)), "type", "first, total: float")
    return dict(found)


def cut(draw: random.Random, text: str) -> list[str]:
    """A text in pieces of one to five characters, as an engine may send it."""
    pieces = []
    while text:
        n = draw.randrange(1, 6)
        pieces.append(text[:n])
        text = text[n:]
    return pieces


def story(draw: random.Random, n: int = 9) -> str:
    """Some words, between them spaces, more spaces and line breaks."""
    sounds = ("ka", "lo", "mi", "ren", "tú", "sha", "ño", "pel")
    names = ["".join(draw.choice(sounds) for _ in range(draw.randrange(1, 4))) for _ in range(n)]
    return names[0] + "".join(draw.choice([" ", " ", ", ", "  ", "\n"]) + name for name in names[1:]) + "."


def only_call(t: Trial, server: FaultyServer) -> Any:
    """What became of the one question that the server was to get."""
    calls = server.settle()
    t.expect(len(calls) == 1, "once", {"en": "1 question", "es": "1 pregunta"})
    return calls[0]


@exercise.part("05.1", 0.5)
def text_and_chunks(t: Trial) -> None:
    pieces = cut(random.Random(t.seed), "The fox ran  home.\nIt was late.")
    with FaultyServer([{"say": pieces}]) as server:
        found = timing(t, t.call(t.load(server.name()), "Tell me."))
        t.expect(found["text"] == "".join(pieces), "joined", "".join(pieces))
        t.expect(found["chunks"] == len(pieces), "chunks", len(pieces))


@exercise.part("05.1", 1)
def time_to_the_first_text(t: Trial) -> None:
    # A busy machine may notice the first text late, so a figure gets a second and a third chance, with longer gaps.
    for gap in (0.5, 1.0, 2.0):
        with FaultyServer([{"say": ["One", " two", " three."], "pause": [0.2, gap / 2]}]) as server:
            model, began = t.load(server.name()), time.perf_counter()
            found = timing(t, t.call(model, "Count."))
            wall = time.perf_counter() - began
            call = only_call(t, server)
        first, total, least = found["first"], found["total"], call["first"] - call["began"]
        t.expect(first is not None, "nothing_came", f">= {least:.2f} s")
        t.expect(least <= first, "clock_starts", f">= {least:.2f} s")
        t.expect(call["last"] - call["began"] <= total <= wall, "in_order", f"total <= {wall:.2f} s")
        if first <= total - gap / 2:
            return
    t.expect(False, "first_only", f"{least:.2f} s <= first <= {total - gap / 2:.2f} s")


@exercise.part("05.2", 1)
def ends_the_stream(t: Trial) -> None:
    with FaultyServer([{"say": ["abcd "] * 150, "pause": 0.02}]) as server:
        text = t.call(t.load(server.name()), "Write.", 12)
        t.expect_type(text, str)
        call = only_call(t, server)
        t.note(got=f"{text[:60]!r}; {call['sent']} chunks")
        t.expect(call["ended"] == "hung up", "read_on", {"en": "the stream ended by you", "es": "el flujo terminado por ti"})
        t.expect(len(text) >= 12, "too_few", "abcd abcd abcd ")
        t.expect(text == "abcd abcd abcd ", "whole_chunks", "abcd abcd abcd ")


@exercise.part("05.2", 0.5)
def a_short_answer_is_whole(t: Trial) -> None:
    pieces = cut(random.Random(t.seed + 1), "That is all.")
    with FaultyServer([{"say": pieces}]) as server:
        text = t.call(t.load(server.name()), "Write.", 500, max_tokens=44)
        t.expect(text == "That is all.", "joined", "That is all.")
        t.note(got=server.calls[0]["options"].get("num_predict"))
        t.expect(server.calls[0]["options"].get("num_predict") == 44, "options_go_on", "max_tokens=44")


def within(t: Trial, step: Step, seconds: float) -> dict[str, Any]:
    """What read_within returns, if it is a dict of text and complete."""
    with FaultyServer([step]) as server:
        model = t.load(server.name())
        failure = t.error(model, "Write.", seconds)
        t.expect(failure is None, "no_error", {"text": "...", "complete": False})
        # The answer of that very call is not at hand: ask again.
        found = t.call(model, "Write.", seconds)
    t.expect_type(found, dict)
    t.expect({"text", "complete"} <= set(found), "keys", "text, complete")
    t.expect(type(found["text"]) is str and type(found["complete"]) is bool, "type", {"text": "...", "complete": True})
    return dict(found)


@exercise.part("05.3", 1)
def keeps_what_arrived(t: Trial) -> None:
    found = within(t, {"stall_after": ["Half", " an"]}, 1.5)
    t.expect(found["text"] == "Half an", "keep_partial", "Half an")
    t.expect(found["complete"] is False, "complete", False)


@exercise.part("05.3", 0.5)
def says_when_it_is_complete(t: Trial) -> None:
    found = within(t, {"say": ["All", " of it."]}, 30)
    t.expect(found["text"] == "All of it.", "joined", "All of it.")
    t.expect(found["complete"] is True, "complete", True)


def pieces_of(t: Trial, pieces: list[str]) -> list[str]:
    """What words(stream) yields for an answer that comes in these pieces."""
    with FaultyServer([{"say": pieces}]) as server:
        found = t.call(t.load(server.name()).member("stream")("Write."))
        t.expect(isinstance(found, Answer | list), "type", {"en": "a generator", "es": "un generador"})
        came = list(found)
    t.note(got=came)
    t.expect(all(type(piece) is str for piece in came), "type", "str")
    return came


@exercise.part("05.4", 0.5)
def the_same_text(t: Trial) -> None:
    text = story(random.Random(t.seed + 2))
    came = pieces_of(t, cut(random.Random(t.seed), text))
    whole = "".join(came)
    t.expect(whole == text, "last_word" if text.startswith(whole.rstrip()) and len(whole) < len(text) else "same_text", text)


@exercise.part("05.4", 0.5)
def one_word_each(t: Trial) -> None:
    came = pieces_of(t, ["Hel", "lo wor", "ld, how ", "are", " you?"])
    t.expect(
        all(came) and [len(re.findall(r"\S+", piece)) for piece in came] == [1] * 5,
        "one_word",
        ["Hello ", "world, ", "how ", "are ", "you?"],
    )
    t.expect(all(piece[-1:].isspace() for piece in came[:-1]), "one_word", ["Hello ", "world, ", "how ", "are ", "you?"])
