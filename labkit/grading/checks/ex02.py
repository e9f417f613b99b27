"""Exercise 02: compare models. Judged with servers whose answers and times are known, and with a real engine."""

from __future__ import annotations

import contextlib
import re
import statistics
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..answers import Answer
from ..faulty import FaultyServer, Step
from ..parts import Exercise, Trial

COLUMNS = ("model", "n", "right", "errors", "seconds")

exercise = Exercise(
    "02",
    {
        "found": {
            "en": "The word is there, between other words. Equality is too strict for an answer in a sentence.",
            "es": "La palabra está ahí, entre otras. La igualdad es demasiado estricta para una respuesta dentro de una frase.",
        },
        "whole_word": {
            "en": "Only a part of a longer word is there. What must stand before and after the word?",
            "es": "Ahí solo hay un trozo de una palabra más larga. ¿Qué debe haber antes y después de la palabra?",
        },
        "letters": {
            "en": "The same word, with a capital letter or an accent more or less. Make both texts alike before you compare.",
            "es": "La misma palabra, con una mayúscula o una tilde de más o de menos. Iguala los dos textos antes de comparar.",
        },
        "signs": {
            "en": "A sign such as a dot or a plus stands for itself here. In a regular expression it does not, unless `re.escape` says so.",
            "es": "Aquí un signo como el punto o el más vale por sí mismo. En una expresión regular no, salvo que lo diga `re.escape`.",
        },
        "how_many": {
            "en": "One figure for each repeat is asked for, no more and no less.",
            "es": "Se pide una cifra por cada repetición, ni más ni menos.",
        },
        "warm_up": {
            "en": "The first call does work that the others do not: loading, filling caches. Make one call before the clock counts.",
            "es": "La primera llamada hace un trabajo que las demás no hacen: cargar, llenar cachés. Haz una llamada antes de contar.",
        },
        "too_short": {
            "en": "A figure is shorter than the answer took. Where does the clock start, where does it stop, and is the unit seconds?",
            "es": "Una cifra es menor que lo que tardó la respuesta. ¿Dónde arranca y dónde para el reloj? ¿La unidad son segundos?",
        },
        "too_long": {
            "en": "The figures add up to more than passed. Does the clock start anew for each call, and is the unit seconds?",
            "es": "Las cifras suman más de lo que pasó. ¿Arranca el reloj de nuevo en cada llamada? ¿La unidad son segundos?",
        },
        "same_work": {
            "en": "Figures compare only if every call does the same work: the same question, the same limit, nothing left to chance.",
            "es": "Las cifras solo se comparan si cada llamada hace el mismo trabajo: misma pregunta, mismo límite, nada al azar.",
        },
        "rows": {
            "en": "One row for each model, in the order given, with the columns of the exercise.",
            "es": "Una fila por cada modelo, en el orden dado, con las columnas del ejercicio.",
        },
        "right": {
            "en": "The number of right answers is another one. Print question, answer and judgement side by side and look.",
            "es": "El número de respuestas correctas es otro. Imprime pregunta, respuesta y juicio uno al lado del otro y mira.",
        },
        "goes_on": {
            "en": "One question that fails must not end the comparison: the other answers are still worth something.",
            "es": "Una pregunta que falla no debe terminar la comparación: las demás respuestas siguen valiendo.",
        },
        "counts_failures": {
            "en": "A question without an answer is asked all the same: it belongs to n, it is not right, and it is one of the errors.",
            "es": "Una pregunta sin respuesta también se hizo: cuenta en n, no es correcta y es uno de los errores.",
        },
        "median": {
            "en": "One slow answer pulls the mean. Take the middle one of the times of the answers that came.",
            "es": "Una respuesta lenta arrastra la media. Toma el valor central de los tiempos de las respuestas que llegaron.",
        },
        "same_settings": {
            "en": "Models compare only under the same settings. Give the same options to each, with temperature 0.",
            "es": "Los modelos solo se comparan con los mismos ajustes. Da las mismas opciones a cada uno, con temperatura 0.",
        },
        "clear": {
            "en": "Here the intervals do not touch: a slower model can still be the better one.",
            "es": "Aquí los intervalos no se tocan: un modelo más lento también puede ser el mejor.",
        },
        "not_shown": {
            "en": "Here the intervals overlap: chance alone may explain the difference, so it shows nothing. What decides then?",
            "es": "Aquí los intervalos se solapan: el azar basta para explicar la diferencia, que no demuestra nada. ¿Qué decide entonces?",
        },
        "all_others": {
            "en": "`shown` is a claim about every other model. One whose interval overlaps is enough to make it False.",
            "es": "`shown` afirma algo de todos los demás modelos. Basta uno cuyo intervalo se solape para que sea False.",
        },
    },
)

exercise.task(
    "02.1",
    2,
    {
        "en": "is_right(text, expected): True where the expected word stands in the text, as a word of its own.",
        "es": "is_right(text, expected): True si la palabra esperada está en el texto, como palabra completa.",
    },
    {
        "en": "Begin with `expected in text`, and try it with the text '100 km' and the word '10'.",
        "es": "Empieza con `expected in text` y pruébalo con el texto '100 km' y la palabra '10'.",
    },
)
exercise.task(
    "02.2",
    2,
    {
        "en": "times(model, prompt, repeats): the seconds of each answer, after one call that is not counted.",
        "es": "times(model, prompt, repeats): los segundos de cada respuesta, tras una llamada que no se cuenta.",
    },
    {
        "en": "Begin with `time.perf_counter()` before and after one call of `model.chat`.",
        "es": "Empieza con `time.perf_counter()` antes y después de una llamada a `model.chat`.",
    },
)
exercise.task(
    "02.3",
    4,
    {
        "en": "compare(models, questions): a row for each model with model, n, right, errors, seconds.",
        "es": "compare(models, questions): una fila por modelo con model, n, right, errors, seconds.",
    },
    {
        "en": "Begin with two loops, over the models and over the questions, and count with your `is_right`.",
        "es": "Empieza con dos bucles, sobre los modelos y sobre las preguntas, y cuenta con tu `is_right`.",
    },
)
exercise.task(
    "02.4",
    2,
    {
        "en": "conclusion(rows): which model to take, and whether it is shown to be better than every other.",
        "es": "conclusion(rows): qué modelo tomar y si está demostrado que es mejor que todos los demás.",
    },
    {
        "en": "Begin with the model of most right answers, and compare its `interval` with the others'.",
        "es": "Empieza por el modelo con más aciertos y compara su `interval` con el de los demás.",
    },
)


def says(text: str, pause: float = 0.0, **more: Any) -> Step:
    """A step of the server: this answer, one piece after `pause` seconds."""
    return {"say": [text], "pause": pause, **more}


def holds_word(text: str, expected: str) -> bool:
    """What 02.1 asks for, to judge answers of a real engine."""

    def bare(value: str) -> str:
        apart = unicodedata.normalize("NFD", value.casefold())
        return "".join(sign for sign in apart if not unicodedata.combining(sign))

    return re.search(rf"(?<!\w){re.escape(bare(expected))}(?!\w)", bare(text)) is not None


def judged(t: Trial, cases: Sequence[tuple[str, str, bool]], hint: str) -> None:
    """is_right over some cases."""
    for text, expected, right in cases:
        found = t.call(text, expected)
        t.expect_type(found, bool)
        t.expect(found is right, hint, right)


@exercise.part("02.1", 0.5)
def finds_the_word(t: Trial) -> None:
    judged(t, [("The capital is Paris.", "Paris", True), ("Paris", "Paris", True), ("It is Rome.", "Paris", False)], "found")


@exercise.part("02.1", 0.5)
def whole_words_only(t: Trial) -> None:
    judged(t, [("It is 100 km away.", "10", False), ("It is 10 km away.", "10", True), ("a GGUF-file", "GGUF", True)], "whole_word")


def took(server: FaultyServer) -> list[float]:
    """Seconds from each question to its last piece, by the server's clock: no client can have measured less."""
    return [call["last"] - call["began"] for call in server.calls]


@exercise.part("02.2", 0.5)
def one_figure_for_each_repeat(t: Trial) -> None:
    seconds(t, t.call(t.load(), "Hello!", 2), 2)


@exercise.part("02.2", 0.5)
def warms_up(t: Trial) -> None:
    began = [0.0]

    def step(body: dict[str, Any]) -> Step:
        # The second answer takes as long as all that was before it: so a clock that is never set back shows, however busy the machine.
        so_far = time.perf_counter() - began[0]
        return says("Yes.", (0.2, max(0.2, so_far), 0.04, 0.02, 0.03)[min(len(server.calls), 5) - 1])

    with FaultyServer(step) as server:
        model = t.load(server.name())
        began[0] = time.perf_counter()
        found = t.call(model, "Hello!", 4)
        wall = time.perf_counter() - began[0]
        seconds(t, found, 4)
        t.note(got=f"{found}; {len(server.calls)} ×")
        t.expect(len(server.calls) == 5, "warm_up", {"en": "5 calls, 4 figures", "es": "5 llamadas, 4 cifras"})
        cold, *warm = took(server)
        t.expect(sum(found) <= wall, "too_long", f"<= {wall:.3f} s")
        t.expect(sum(found) <= wall - cold, "warm_up", {"en": "the first call left out", "es": "sin la primera llamada"})
        t.expect(all(mine >= its for mine, its in zip(found, warm, strict=True)), "too_short", [round(its, 3) for its in warm])


def seconds(t: Trial, found: Any, n: int) -> None:
    """A list of n durations."""
    t.expect_type(found, list)
    t.expect(all(type(value) in (int, float) for value in found), "type", "[float, ...]")
    t.expect(len(found) == n, "how_many", n)
    t.expect(all(value > 0 for value in found), "too_short", "> 0 s")


QUESTIONS = [["Capital of France?", "Paris"], ["Capital of Italy?", "Rome"], ["Capital of Peru?", "Lima"], ["Six and four?", "10"]]
RIGHT = {"France": "It is Paris.", "Italy": "Rome, of course.", "Peru": "LIMA!", "Six": "That makes 10."}
POOR = {"France": "It is Paris.", "Italy": "Perhaps Milan.", "Peru": "I do not know.", "Six": "That makes 100."}


def script(answers: Mapping[str, str], fails: Sequence[str] = (), pause: float = 0.0) -> Any:
    """A server's answers by a word of the question, and where it fails."""

    def step(body: dict[str, Any]) -> Step:
        prompt = body["messages"][-1]["content"]
        if any(word in prompt for word in fails):
            return {"refuse": 500, "error": "the model stopped"}
        return says(next((text for word, text in answers.items() if word in prompt), "Yes."), pause)

    return step


def table(t: Trial, models: Sequence[Answer], questions: Sequence[Sequence[str]] = QUESTIONS) -> list[dict[str, Any]]:
    """What compare returns, if it is a row of the five columns for each model."""
    rows = t.call(list(models), [list(pair) for pair in questions])
    t.expect(isinstance(rows, list) and all(isinstance(row, dict) for row in rows), "rows", ", ".join(COLUMNS))
    t.expect(all(set(COLUMNS) <= set(row) for row in rows), "rows", ", ".join(COLUMNS))
    t.expect(
        [row["model"] for row in rows] == [model.member("name") for model in models], "rows", [model.member("name") for model in models]
    )
    t.expect(all(type(row[name]) is int for row in rows for name in ("n", "right", "errors")), "type", "n, right, errors: int")
    t.expect(all(type(row["seconds"]) in (int, float, type(None)) for row in rows), "type", "seconds: float")
    return list(rows)


@contextlib.contextmanager
def servers(*scripts: Any) -> Iterator[list[FaultyServer]]:
    """Some servers at once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(FaultyServer(one)) for one in scripts]


@exercise.part("02.3", 1)
def a_row_for_each_model(t: Trial) -> None:
    with servers(script(RIGHT, pause=0.03), script(POOR)) as found:
        rows = table(t, [t.load(server.name()) for server in found])
        t.expect([row["n"] for row in rows] == [4, 4], "counts_failures", [4, 4])
        t.expect([row["right"] for row in rows] == [4, 1], "right", [4, 1])
        t.expect([row["errors"] for row in rows] == [0, 0], "counts_failures", [0, 0])
        t.expect(all(type(row["seconds"]) in (int, float) and row["seconds"] > 0 for row in rows), "too_short", "> 0 s")


@exercise.part("02.3", 1)
def one_failure_is_not_the_end(t: Trial) -> None:
    with servers(script(RIGHT, ["Italy"]), script(RIGHT, ["France", "Peru"]), script(RIGHT, list(RIGHT))) as found:
        models = [t.load(server.name()) for server in found]
        t.expect(t.error(models, QUESTIONS) is None, "goes_on", {"en": "a table", "es": "una tabla"})
        rows = table(t, models)
        t.expect([row["errors"] for row in rows] == [1, 2, 4], "counts_failures", [1, 2, 4])
        t.expect([row["n"] for row in rows] == [4, 4, 4], "counts_failures", [4, 4, 4])
        t.expect([row["right"] for row in rows] == [3, 2, 0], "right", [3, 2, 0])
        t.expect(rows[2]["seconds"] is None, "counts_failures", {"model": rows[2]["model"], "seconds": None})


def middle(t: Trial) -> None:
    """The seconds of a row lie where the median must lie, and the mean cannot."""
    began = [0.0]

    def step(body: dict[str, Any]) -> Step:
        # The last answer is slow beside all that the machine lost so far: so a mean shows, however busy the machine.
        lost = time.perf_counter() - began[0] - 0.03 * (len(server.calls) - 1)
        return says("It is Paris.", 0.4 + 8 * lost if len(server.calls) == len(QUESTIONS) else 0.03)

    with FaultyServer(step) as server:
        model = t.load(server.name())
        began[0] = time.perf_counter()
        rows = table(t, [model])
        wall = time.perf_counter() - began[0]
        served = sorted(took(server))
        least, most = statistics.median(served), statistics.median(served) + wall - sum(served)
        found = rows[0]["seconds"]
        t.note(got=found)
        t.expect(found is not None and least <= found, "too_short", f">= {least:.3f} s")
        t.expect(found <= most, "median", f"<= {most:.3f} s")


def row(model: str, right: int, n: int, seconds: float, errors: int = 0) -> dict[str, Any]:
    return {"model": model, "n": n, "right": right, "errors": errors, "seconds": seconds}


def concluded(t: Trial, rows: Sequence[Mapping[str, Any]], model: str, shown: bool, hint: str) -> None:
    """conclusion of a table."""
    found = t.call([dict(one) for one in rows])
    t.expect_type(found, dict)
    t.expect({"model", "shown"} <= set(found), "type", {"model": "...", "shown": True})
    t.expect_type(found["shown"], bool)
    t.expect(found["model"] == model, hint, {"model": model, "shown": shown})
    t.expect(found["shown"] is shown, "all_others" if found["shown"] and len(rows) > 2 else hint, {"model": model, "shown": shown})


@exercise.part("02.4", 0.5)
def a_clear_difference(t: Trial) -> None:
    concluded(t, [row("quick", 40, 100, 0.1), row("good", 90, 100, 2.0)], "good", True, "clear")


@exercise.part("02.4", 0.5)
def no_difference_shown(t: Trial) -> None:
    concluded(t, [row("quick", 7, 10, 0.1), row("slow", 9, 10, 2.0)], "quick", False, "not_shown")
