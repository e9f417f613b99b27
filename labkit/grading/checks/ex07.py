"""Exercise 07: quantization. Judged on numbers whose rounding is known, and with two real engines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...measure import token_logprobs
from ..parts import Exercise, Trial
from . import engine

Pairs = Sequence[tuple[str, str]]

exercise = Exercise(
    "07",
    {
        "lists": {
            "en": "A dict with two lists is asked for: `whole`, a whole number for each number, and `scales`, one for each block.",
            "es": "Se pide un dict con dos listas: `whole`, un entero por cada número, y `scales`, una escala por cada bloque.",
        },
        "range": {
            "en": "A whole number does not fit into so many bits. With 4 bits they go from -7 to 7, with 8 from -127 to 127.",
            "es": "Un entero no cabe en tantos bits. Con 4 bits van de -7 a 7, con 8 de -127 a 127.",
        },
        "scales": {
            "en": "The largest number of each block must become the largest whole number. Look at its size without its sign.",
            "es": "El mayor número de cada bloque debe convertirse en el mayor entero. Mira su tamaño sin el signo.",
        },
        "nearest": {
            "en": "A nearer whole number exists for one of the numbers. Is it rounded, or cut off?",
            "es": "Para alguno de los números hay un entero más cercano. ¿Se redondea o se corta?",
        },
        "zeros": {
            "en": "A block of zeros has no largest number to divide by. What must come back for it?",
            "es": "Un bloque de ceros no tiene un mayor número por el que dividir. ¿Qué debe leerse después de él?",
        },
        "fits": {
            "en": "Another kind is right. Weights take parameters times bits, in bytes; each token of the window takes memory as well.",
            "es": "El tipo correcto es otro. Los pesos ocupan parámetros por bits, en bytes; cada token de la ventana también ocupa.",
        },
        "most": {
            "en": "That fits, but another kind with more bits fits too.",
            "es": "Eso cabe, pero cabe también otro tipo con más bits.",
        },
        "none": {
            "en": "Nothing fits here. The task says what to return then.",
            "es": "Aquí no cabe nada. La tarea dice qué devolver entonces.",
        },
        "perplexity": {
            "en": "The ratio is another one. Perplexity is the exponential of the mean negative logarithm, over tokens.",
            "es": "El cociente es otro. La perplejidad es la exponencial de la media del logaritmo negativo, sobre los tokens.",
        },
        "pooled": {
            "en": "Every token counts the same: long answers weigh more than short ones. Where is the mean taken?",
            "es": "Cada token cuenta lo mismo: las respuestas largas pesan más que las cortas. ¿Dónde se calcula la media?",
        },
        "turned": {
            "en": "More than 1 must mean that the copy is more surprised than the original. What is divided by what?",
            "es": "Más de 1 debe significar que la copia se sorprende más que el original. ¿Qué se divide entre qué?",
        },
        "moved": {
            "en": "The share is another one. Half of all differences, without their signs: what one token loses, others gain.",
            "es": "El resultado es otro: la mitad de la suma de las diferencias en valor absoluto. Lo que pierde un token, lo ganan otros.",
        },
        "missing_tokens": {
            "en": "A token stands in only one of the two. There its probability is what it is; in the other it is 0.",
            "es": "Un token está solo en una de las dos. Allí su probabilidad es la que es; en la otra es 0.",
        },
    },
)

exercise.task(
    "07.1",
    3,
    {
        "en": "quantize(numbers, bits, block): whole numbers of so many bits, and a scale for each block.",
        "es": "quantize(numbers, bits, block): enteros de tantos bits, y una escala por cada bloque.",
    },
    {
        "en": "Begin with one block: its largest size without sign, divided by the largest whole number, is the scale.",
        "es": "Empieza con un bloque: su mayor valor absoluto, dividido por el mayor entero, es la escala.",
    },
)
exercise.task(
    "07.2",
    2,
    {
        "en": "what_fits(parameters, kinds, free, window, per_token): the kind with most bits that fits, or None.",
        "es": "what_fits(parameters, kinds, free, window, per_token): el tipo con más bits que cabe, o None.",
    },
    {
        "en": "Begin with the bytes of the weights for each kind: parameters times bits, divided by 8.",
        "es": "Empieza con los bytes de los pesos de cada tipo: parámetros por bits, entre 8.",
    },
)
exercise.task(
    "07.3",
    3,
    {
        "en": "cost(original, copy, pairs): perplexity of the copy divided by that of the original, over all tokens of all answers.",
        "es": "cost(original, copy, pairs): perplejidad de la copia entre la del original, sobre todos los tokens de todas las respuestas.",
    },
    {
        "en": "Begin with `lab.measure.token_logprobs(original, prompt, text)` for the first pair, and look at what it gives.",
        "es": "Empieza con `lab.measure.token_logprobs(original, prompt, text)` para el primer par, y mira lo que da.",
    },
)
exercise.task(
    "07.4",
    2,
    {
        "en": "moved(before, after): the share of probability that lies elsewhere now, from 0 to 1.",
        "es": "moved(before, after): la parte de la probabilidad que ahora está en otro sitio, de 0 a 1.",
    },
    {
        "en": "Begin with the tokens of both: `set(before) | set(after)`.",
        "es": "Empieza con los tokens de las dos: `set(before) | set(after)`.",
    },
)


def rounded(t: Trial, numbers: Sequence[float], bits: int, block: int, hint: str = "scales") -> None:
    """quantize(...) has the right scales, and the nearest whole numbers."""
    found = t.call(list(numbers), bits, block)
    t.expect_type(found, dict)
    starts = range(0, len(numbers), block)
    form = {"whole": len(numbers), "scales": len(starts)}
    t.expect({"whole", "scales"} <= set(found) and all(isinstance(found[key], list) for key in form), "lists", "whole, scales")
    t.expect(all(len(found[key]) == n for key, n in form.items()), "lists", f"len: {form}")
    t.expect(all(type(w) is int for w in found["whole"]) and all(type(s) in (int, float) for s in found["scales"]), "lists", "int; float")
    most = 2 ** (bits - 1) - 1
    t.expect(all(abs(w) <= most for w in found["whole"]), "range", f"-{most} ... {most}")
    for start, scale in zip(starts, found["scales"], strict=True):
        here = numbers[start : start + block]
        largest = max(abs(x) for x in here)
        if not largest:
            t.expect(not any(w * scale for w in found["whole"][start : start + block]), "zeros", [0.0] * len(here))
            continue
        t.expect(math.isclose(scale, largest / most, rel_tol=1e-5), hint, f"scale {largest / most:.6g}")
        for x, w in zip(here, found["whole"][start : start + block], strict=True):
            t.expect(abs(x - w * scale) <= scale * (0.5 + 1e-4), "nearest", f"{x:.4g} -> {round(x / scale)}")


@exercise.part("07.1", 1)
def one_block(t: Trial) -> None:
    rounded(t, [0.7, -0.26, 0.18, 0.0], 4, 4)
    rounded(t, [-1.27, 0.5, 0.254, 1.0], 8, 4)


@exercise.part("07.1", 0.5)
def a_scale_for_each_block(t: Trial) -> None:
    rounded(t, [0.7, 0.16, 7.0, 1.8, -14.0, 5.2], 4, 2)


def fitting(t: Trial, right: str | None, parameters: int, kinds: Mapping[str, float], free: float, window: int, per_token: int) -> None:
    """what_fits(...) is that kind."""
    found = t.call(parameters, dict(kinds), free, window, per_token)
    t.expect(found is None or type(found) is str, "type", right)
    if right is None:
        t.expect(found is None, "none", None)
    bytes_ = {name: parameters * bits / 8 + window * per_token for name, bits in kinds.items()}
    t.expect(found == right, "most" if found in bytes_ and bytes_[found] <= free else "fits", right)


KINDS = {"Q4_K_M": 4.85, "F16": 16.0, "Q2_K": 3.2, "Q8_0": 8.5, "Q6_K": 6.56}


@exercise.part("07.2", 1)
def the_most_that_fits(t: Trial) -> None:
    fitting(t, "Q4_K_M", 8_030_261_248, KINDS, 6e9, 4096, 131_072)
    fitting(t, "F16", 1_235_814_400, KINDS, 6e9, 4096, 32_768)
    fitting(t, "Q2_K", 8_030_261_248, KINDS, 6e9, 16_384, 131_072)


@exercise.part("07.2", 0.5)
def says_when_nothing_fits(t: Trial) -> None:
    fitting(t, None, 8_030_261_248, KINDS, 3e9, 512, 131_072)


ANSWERS: Mapping[str, Pairs] = {
    "en": [
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Tell me a story.", "One morning a small owl found a silver key under an old bridge, and nobody knew whose it was."),
        ("What is a token?", "No idea."),
    ],
    "es": [
        ("¿Cuál es la capital de Francia?", "La capital de Francia es París."),
        ("Cuéntame un cuento.", "Una mañana un búho pequeño halló una llave de plata bajo un puente viejo, y nadie sabía de quién era."),
        ("¿Qué es un token?", "Ni idea."),
    ],
}


def surprises(name: str, pairs: Pairs) -> list[Any]:
    """The negative logarithms of each text's tokens."""
    return [-token_logprobs(engine(name), prompt, text) for prompt, text in pairs]


def costs(t: Trial, original: str, copy: str, pairs: Pairs) -> None:
    """cost(...) is the ratio of the two perplexities, over all tokens."""
    found = t.call(t.load(original), t.load(copy), [list(pair) for pair in pairs])
    t.expect(type(found) in (int, float), "type", "float")
    one, other = surprises(original, pairs), surprises(copy, pairs)
    right = math.exp(float(np.concatenate(other).mean() - np.concatenate(one).mean()))
    each = [[math.exp(float(text.mean())) for text in of] for of in (other, one)]
    apart = {
        "turned": [1 / right],
        "pooled": [
            float(np.mean(each[0]) / np.mean(each[1])),
            math.exp(float(np.mean([text.mean() for text in other]) - np.mean([text.mean() for text in one]))),
            float(np.mean(np.array(each[0]) / np.array(each[1]))),
        ],
    }
    if not math.isclose(found, right, rel_tol=1e-3):
        hint = next(
            (key for key, values in apart.items() if any(math.isclose(found, value, rel_tol=1e-3) for value in values)), "perplexity"
        )
        t.expect(False, hint, f"{right:.4f}")


@exercise.part("07.3", 0.5)
def the_same_model_twice(t: Trial) -> None:
    costs(t, "mini-s", "mini-s", ANSWERS[t.lang][:1])


@exercise.part("07.3", 1)
def one_answer(t: Trial) -> None:
    costs(t, "mini-m", "mini-s", ANSWERS[t.lang][1:2])


def shifted(t: Trial, before: Mapping[str, float], after: Mapping[str, float], hint: str = "moved") -> None:
    """moved(before, after) is half the sum of the differences."""
    found = t.call(dict(before), dict(after))
    t.expect(type(found) in (int, float), "type", "float")
    right = sum(abs(before.get(token, 0) - after.get(token, 0)) for token in {*before, *after}) / 2
    t.expect(abs(found - right) < 1e-6, hint, round(right, 6))


@exercise.part("07.4", 0.5)
def nothing_and_everything(t: Trial) -> None:
    shifted(t, {"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5})
    shifted(t, {"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})


@exercise.part("07.4", 0.5)
def some_of_it(t: Trial) -> None:
    shifted(t, {"fox": 0.6, "owl": 0.3, "cat": 0.1}, {"fox": 0.4, "owl": 0.35, "cat": 0.25})
