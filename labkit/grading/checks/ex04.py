"""Exercise 04: sampling settings. Judged by what a real engine does under several seeds, and by the formulas of `labkit.sampling`."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from ...chat import Options
from ...errors import LabError
from ...sampling import apply
from ..faulty import FaultyServer, Step
from ..parts import Exercise, Trial
from . import engine

SEEDS = [1, 2, 3, 4, 5]
WILD: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
# What 04.4 asks about: three answers of at most 12 tokens, with seeds 1 to 3 unless a seed is given.
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "A": WILD | {"temperature": 0},
    "B": WILD,
    "C": WILD | {"top_k": 1},
    "D": WILD | {"top_p": 0.0001},
    "E": WILD | {"top_k": 40},
    "F": WILD | {"min_p": 1.0},
    "G": WILD | {"seed": 7},
    "H": WILD | {"temperature": 3.0, "top_k": 1},
}
STORIES = {"en": "Tell a story about a fox.", "es": "Cuenta una historia de un zorro."}

exercise = Exercise(
    "04",
    {
        "not_one": {
            "en": "Probabilities add up to 1. After some tokens are dropped, the rest must be made to do so again.",
            "es": "Las probabilidades suman 1. Después de quitar tokens, las que quedan deben volver a sumar 1.",
        },
        "length": {
            "en": "One probability for each logit, in the same order; a dropped token has 0.",
            "es": "Una probabilidad por cada logit, en el mismo orden; un token descartado tiene 0.",
        },
        "temperature": {
            "en": "A high temperature makes the probabilities more alike, a low one less. What happens to the logits before the softmax?",
            "es": "Una temperatura alta iguala las probabilidades; una baja las separa. ¿Qué se hace con los logits antes del softmax?",
        },
        "overflow": {
            "en": "Large logits overflow in exp(). Subtracting the largest from all changes nothing but that.",
            "es": "Los logits grandes desbordan exp(). Restar a todos el mayor no cambia nada más que eso.",
        },
        "top_k": {
            "en": "top_k keeps the k likeliest, wherever they stand in the list; 0 keeps all.",
            "es": "top_k conserva los k más probables, estén donde estén en la lista; 0 los conserva todos.",
        },
        "top_p": {
            "en": "top_p adds up from the likeliest down, and the token with which the sum reaches top_p still stays.",
            "es": "top_p suma desde el más probable hacia abajo, y el token con el que la suma alcanza top_p todavía se queda.",
        },
        "order": {
            "en": "The order matters: top_k, then top_p on what is left, and the temperature last.",
            "es": "El orden importa: top_k, después top_p sobre lo que queda, y la temperatura al final.",
        },
        "greedy": {
            "en": "Temperature 0 cannot divide. It stands for: the likeliest token, with certainty.",
            "es": "Con temperatura 0 no se puede dividir. Significa: el token más probable, con certeza.",
        },
        "no_options": {
            "en": "These are not options that labkit takes. `lab.Options(**settings)` tells which one is wrong.",
            "es": "Estas no son opciones que acepte labkit. `lab.Options(**ajustes)` dice cuál está mal.",
        },
        "rule": {
            "en": "The settings break a rule of the task: look at the table again.",
            "es": "Los ajustes rompen una regla de la tarea: vuelve a mirar la tabla.",
        },
        "not_steady": {
            "en": "Different seeds gave different texts. Which setting leaves a single token to choose from?",
            "es": "Semillas distintas dieron textos distintos. ¿Qué ajuste deja un solo token para elegir?",
        },
        "not_varied": {
            "en": "Too many texts are equal. Which settings let unlikely tokens in?",
            "es": "Demasiados textos son iguales. ¿Qué ajustes dejan entrar tokens poco probables?",
        },
        "lowest": {
            "en": "A lower temperature of the list reaches the goal, or this one does not. Go through them from the lowest up.",
            "es": "Una temperatura menor de la lista alcanza la meta, o esta no la alcanza. Recórrelas de menor a mayor.",
        },
        "texts": {
            "en": "How many *different* texts are there? A set keeps each one once.",
            "es": "¿Cuántos textos *distintos* hay? Un conjunto guarda cada uno una sola vez.",
        },
        "none": {
            "en": "No temperature of the list reaches the goal. The task says what to return then.",
            "es": "Ninguna temperatura de la lista alcanza la meta. La tarea dice qué devolver entonces.",
        },
        "every_seed": {
            "en": "Each temperature is tried with each seed once, and nothing else changes. Does the seed reach the model?",
            "es": "Cada temperatura se prueba una vez con cada semilla y nada más cambia. ¿Llega la semilla al modelo?",
        },
        "stop_there": {
            "en": "Once the goal is reached, no further question is needed: answers cost time.",
            "es": "Alcanzada la meta, no hace falta preguntar más: cada respuesta cuesta tiempo.",
        },
        "letters": {
            "en": "One prediction for each letter, and each is 'same' or 'different'.",
            "es": "Una predicción por cada letra, y cada una es 'same' o 'different'.",
        },
        "prediction": {
            "en": "The engine did something else somewhere. Ask of each: how many tokens are left to draw from, and does chance change?",
            "es": "El motor hizo otra cosa en alguno. Pregunta en cada uno: ¿cuántos tokens quedan por sortear y cambia el azar?",
        },
    },
)

exercise.task(
    "04.1",
    3,
    {
        "en": "after(logits, temperature, top_k, top_p): the probability of each token to be drawn.",
        "es": "after(logits, temperature, top_k, top_p): la probabilidad de que salga cada token.",
    },
    {
        "en": "Begin with the softmax of the logits divided by the temperature; `np.exp` takes whole arrays.",
        "es": "Empieza con el softmax de los logits divididos por la temperatura; `np.exp` acepta arrays enteros.",
    },
)
exercise.task(
    "04.2",
    2,
    {
        "en": 'settings(goal): options that reach the goal "steady", and others that reach "varied".',
        "es": 'settings(goal): opciones que alcanzan la meta "steady", y otras que alcanzan "varied".',
    },
    {
        "en": "Begin by asking five times with seeds 1 to 5, and look at how many texts are different.",
        "es": "Empieza preguntando cinco veces con semillas de 1 a 5 y mira cuántos textos son distintos.",
    },
)
exercise.task(
    "04.3",
    3,
    {
        "en": "lowest_temperature(model, prompt, temperatures, seeds, different): the lowest that gives so many different texts, or None.",
        "es": "lowest_temperature(model, prompt, temperatures, seeds, different): la menor que da tantos textos distintos, o None.",
    },
    {
        "en": "Begin with one temperature: collect the texts of all seeds in a set.",
        "es": "Empieza con una sola temperatura: reúne en un conjunto los textos de todas las semillas.",
    },
)
exercise.task(
    "04.4",
    2,
    {
        "en": "predict(): for each experiment, whether its three texts are the same or different.",
        "es": "predict(): para cada experimento, si sus tres textos son iguales (same) o distintos (different).",
    },
    {
        "en": "Begin with the experiments of which you are sure; the others can be tried out.",
        "es": "Empieza por los experimentos de los que estás seguro; los demás se pueden probar.",
    },
)


def close(t: Trial, logits: Sequence[float], hint: str, **options: Any) -> None:
    """after(logits, ...) is what `labkit.sampling.apply` computes."""
    found = t.call(list(logits), options["temperature"], options["top_k"], options["top_p"])
    t.expect_type(found, list)
    t.expect(all(type(value) in (int, float) for value in found), "type", "[float, ...]")
    right = [float(value) for value in apply(logits, **options)]
    said = [round(value, 4) for value in right]
    t.expect(len(found) == len(right), "length", len(right))
    dropped = [(mine > 0) != (its > 0) for mine, its in zip(found, right, strict=True)]
    t.expect(abs(sum(found) - 1) < 1e-6 or any(dropped), "not_one", said)
    t.expect(all(abs(mine - its) < 1e-6 for mine, its in zip(found, right, strict=True)), hint, said)


def drawn(draw: random.Random, n: int = 8) -> list[float]:
    """Logits, none of them equal and none at an edge of top_p."""
    return [round(draw.uniform(-3, 6), 3) + place / 10_000 for place in range(n)]


@exercise.part("04.1", 1)
def temperature_alone(t: Trial) -> None:
    for temperature in (1.0, 0.5, 2.0):
        close(t, [2.0, 1.0, 0.0], "temperature", temperature=temperature, top_k=0, top_p=1.0)


@exercise.part("04.1", 0.5)
def keeps_the_likeliest(t: Trial) -> None:
    logits = drawn(random.Random(t.seed), 6)
    for top_k in (1, 3, 0, 10):
        close(t, logits, "top_k", temperature=1.0, top_k=top_k, top_p=1.0)


@exercise.part("04.1", 0.5)
def keeps_up_to_a_sum(t: Trial) -> None:
    for top_p in (0.6, 0.9, 0.3, 1.0):
        close(t, [1.0, 3.0, 2.0, 0.0, -1.0], "top_p", temperature=1.0, top_k=0, top_p=top_p)


def options(t: Trial, goal: str) -> dict[str, Any]:
    """settings(goal), if labkit takes it and the rules of the task hold."""
    found = t.call(goal)
    t.expect_type(found, dict)
    t.note(goal, found)
    try:
        full = Options.of(None, **found)
    except (LabError, TypeError):
        t.expect(False, "no_options", {"temperature": 0.8, "top_p": 0.9})
        raise
    t.expect("seed" not in found, "rule", {"en": "no seed", "es": "sin seed"})
    if goal == "steady":
        t.expect(full.temperature >= 0.8, "rule", "temperature >= 0.8")
    t.expect(full.max_tokens is not None and full.max_tokens <= 16, "rule", "max_tokens <= 16")
    return dict(found)


_ASKED: dict[str, str] = {}  # question to the engine -> its answer: with a seed it is always the same


def texts_of(t: Trial, prompt: str, seeds: Sequence[int] = SEEDS, **settings: Any) -> list[str]:
    """Answers of the real engine, one for each seed unless a seed is given; each is asked for once."""
    found = []
    for seed in seeds:
        given = {"seed": seed} | settings
        key = json.dumps([t.model, prompt, given], sort_keys=True, default=repr)
        if key not in _ASKED:
            _ASKED[key] = engine(t.model).chat(prompt, **given).text
        found.append(_ASKED[key])
    return found


def reached(t: Trial, goal: str, prompt: str) -> None:
    """What the engine does under settings(goal)."""
    found = texts_of(t, prompt, **options(t, goal))
    t.note(goal, found)
    if goal == "steady":
        t.expect(len(set(found)) == 1, "not_steady", {"en": "five times the same text", "es": "cinco veces el mismo texto"})
    else:
        t.expect(len(set(found)) >= 4, "not_varied", {"en": "at least four different texts", "es": "al menos cuatro textos distintos"})


@exercise.part("04.2", 0.5)
def steady(t: Trial) -> None:
    reached(t, "steady", STORIES[t.lang])


@exercise.part("04.2", 0.5)
def varied(t: Trial) -> None:
    reached(t, "varied", STORIES[t.lang])


def ladder(kinds: Mapping[float, int]) -> Any:
    """A server with so many different texts at each temperature, over seeds in a row."""

    def step(body: dict[str, Any]) -> Step:
        temperature, seed = body["options"]["temperature"], body["options"]["seed"]
        return {"say": [f"Text {seed % kinds.get(temperature, 1)}"]}

    return step


def lowest(t: Trial, server: FaultyServer, temperatures: Sequence[float], different: int, seeds: Sequence[int] = SEEDS) -> Any:
    """What lowest_temperature returns, asked of a server."""
    return t.call(t.load(server.name()), "Tell me.", list(temperatures), list(seeds), different)


@exercise.part("04.3", 1)
def finds_the_lowest(t: Trial) -> None:
    kinds = {0.2: 1, 0.5: 2, 0.8: 3, 1.1: 5}
    with FaultyServer(ladder(kinds)) as server:
        for order, different, right in [([0.2, 0.5, 0.8, 1.1], 3, 0.8), ([1.1, 0.8, 0.5, 0.2], 2, 0.5), ([0.5, 1.1, 0.2], 3, 1.1)]:
            found = lowest(t, server, order, different)
            t.expect(found is None or type(found) in (int, float), "type", right)
            t.expect(found == right, "texts" if found is not None and kinds.get(found, 9) < different else "lowest", right)


@exercise.part("04.3", 0.5)
def says_when_none_does(t: Trial) -> None:
    with FaultyServer(ladder({0.5: 2, 1.0: 3})) as server:
        t.expect(lowest(t, server, [0.5, 1.0], 4) is None, "none", None)


def predictions(t: Trial) -> dict[str, str]:
    """predict(), if it has the form that is asked for."""
    found = t.call()
    t.expect_type(found, dict)
    t.expect(set(found) == set(EXPERIMENTS), "letters", ", ".join(EXPERIMENTS))
    t.expect(all(value in ("same", "different") for value in found.values()), "letters", "'same' / 'different'")
    return dict(found)


def outcome(t: Trial, letter: str) -> str:
    """What the engine really does in an experiment."""
    return "same" if len(set(texts_of(t, STORIES[t.lang], SEEDS[:3], max_tokens=12, **EXPERIMENTS[letter]))) == 1 else "different"


@exercise.part("04.4", 0.5)
def the_first_two(t: Trial) -> None:
    found = predictions(t)
    for letter in ("A", "B"):
        t.note(letter, found[letter])
        t.expect(found[letter] == outcome(t, letter), "prediction", {"en": "what the engine does", "es": "lo que hace el motor"})
