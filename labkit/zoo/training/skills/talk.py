"""Small skills of a conversation: copying, sums, word problems, memory."""

from __future__ import annotations

from collections.abc import Callable

from ....chat import Message
from ..sample import Check, Draw, Sample, ask

COPY_WORDINGS = {
    "en": ["Repeat: {text}", "Say this again: {text}", "Copy: {text}"],
    "es": ["Repite: {text}", "Di esto otra vez: {text}", "Copia: {text}"],
}
SUM_WORDINGS = {
    "en": ["What is {sum}?", "{sum}", "How much is {sum}?", "{sum} =", "Calculate {sum}", "Tell me the result of {sum}."],
    "es": ["¿Cuánto es {sum}?", "{sum}", "¿Cuántos son {sum}?", "{sum} =", "Calcula {sum}", "Dime el resultado de {sum}."],
}
WORD_PROBLEMS = {
    "en": [
        ("{name} has {a} {things} and gets {b} more. How many {things} does {name} have now?", 1),
        ("There are {a} {things} in one box and {b} in another. How many {things} are there?", 1),
        ("{name} buys {a} {things} on Monday and {b} on Tuesday. How many {things} is that?", 1),
        ("{name} has {a} {things} and gives away {b}. How many {things} are left?", -1),
        ("Of {a} {things}, {b} are broken. How many {things} are whole?", -1),
        ("{name} needs {a} {things} and has {b}. How many {things} are missing?", -1),
    ],
    "es": [
        ("{name} tiene {a} {things} y recibe {b} más. ¿Cuántas {things} tiene ahora {name}?", 1),
        ("Hay {a} {things} en una caja y {b} en otra. ¿Cuántas {things} hay?", 1),
        ("{name} compra {a} {things} el lunes y {b} el martes. ¿Cuántas {things} son?", 1),
        ("{name} tiene {a} {things} y regala {b}. ¿Cuántas {things} quedan?", -1),
        ("De {a} {things}, {b} están rotas. ¿Cuántas {things} están enteras?", -1),
        ("{name} necesita {a} {things} y tiene {b}. ¿Cuántas {things} faltan?", -1),
    ],
}
THINGS = {
    "en": ["apples", "books", "cups", "stamps", "chairs", "pens", "coins", "plates"],
    "es": ["manzanas", "llaves", "tazas", "sillas", "monedas", "plumas", "cajas", "fotos"],
}
MEMORIES = {
    "en": [
        ("My name is {v}.", "What is my name?", "Your name is {v}.", "first"),
        ("I live in {v}.", "Where do I live?", "You live in {v}.", "town"),
        ("My favourite colour is {v}.", "What is my favourite colour?", "Your favourite colour is {v}.", "colour"),
        ("My dog is called {v}.", "What is my dog called?", "Your dog is called {v}.", "first"),
        ("I am {v} years old.", "How old am I?", "You are {v} years old.", "number 8 90"),
        ("My code is {v}.", "What is my code?", "Your code is {v}.", "code"),
        ("My exam is on {v}.", "When is my exam?", "Your exam is on {v}.", "weekday"),
    ],
    "es": [
        ("Me llamo {v}.", "¿Cómo me llamo?", "Te llamas {v}.", "first"),
        ("Vivo en {v}.", "¿Dónde vivo?", "Vives en {v}.", "town"),
        ("Mi color favorito es el {v}.", "¿Cuál es mi color favorito?", "Tu color favorito es el {v}.", "colour"),
        ("Mi perro se llama {v}.", "¿Cómo se llama mi perro?", "Tu perro se llama {v}.", "first"),
        ("Tengo {v} años.", "¿Cuántos años tengo?", "Tienes {v} años.", "number 8 90"),
        ("Mi código es {v}.", "¿Cuál es mi código?", "Tu código es {v}.", "code"),
        ("Mi examen es el {v}.", "¿Cuándo es mi examen?", "Tu examen es el {v}.", "weekday"),
    ],
}
NOTED = {"en": ["I will remember that.", "Noted."], "es": ["Lo recordaré.", "Anotado."]}


def copying(draw: Draw) -> list[Sample]:
    """Names, words and numbers, said again."""
    r, fill = draw.random, draw.fill
    words: list[Callable[[], str]] = [
        fill.name,
        fill.word,
        fill.first,
        lambda: str(r.randint(0, 999)),
        lambda: fill.value("time", draw.lang),
    ]
    text = " ".join(r.choice(words)() for _ in range(r.randint(1, 6)))
    return [Sample(ask(draw.wording(COPY_WORDINGS[draw.lang], 0).format(text=text)), text, Check("equals", (text,)))]


def sums(draw: Draw) -> list[Sample]:
    """Sums and differences of numbers up to 99."""
    a, b, sign = _numbers(draw)
    answer = str(a + sign * b)
    request = draw.wording(SUM_WORDINGS[draw.lang]).format(sum=f"{a} {'+' if sign > 0 else '-'} {b}")
    return [Sample(ask(request), answer, Check("equals", (answer,)))]


def word_problems(draw: Draw) -> list[Sample]:
    """A sum or difference told as a little story."""
    text, sign = draw.random.choice(WORD_PROBLEMS[draw.lang])
    a, b, _ = _numbers(draw, sign)
    request = text.format(name=draw.fill.first(), a=a, b=b, things=draw.random.choice(THINGS[draw.lang]))
    answer = f"{a} {'+' if sign > 0 else '-'} {b} = {a + sign * b}."
    return [Sample(ask(request), answer, Check("equals", (answer, str(a + sign * b))))]


def _numbers(draw: Draw, sign: int = 0) -> tuple[int, int, int]:
    sign = sign or draw.random.choice((1, -1))
    a, b = draw.random.randint(0, 99), draw.random.randint(0, 99)
    return (a, b, sign) if sign > 0 else (max(a, b), min(a, b), sign)


def memory(draw: Draw) -> list[Sample]:
    """What was said two turns ago, with something else said in between."""
    r, lang = draw.random, draw.lang
    told, between = r.sample(MEMORIES[lang], 2)
    value, other = (draw.fill.value(m[3], lang) for m in (told, between))
    turns = [
        Message("user", told[0].format(v=value)),
        Message("assistant", r.choice(NOTED[lang])),
        Message("user", between[0].format(v=other)),
        Message("assistant", r.choice(NOTED[lang])),
    ]
    if r.random() < 0.3:
        turns = turns[:2]
    return [Sample((*turns, Message("user", told[1])), told[2].format(v=value), Check("holds", (value,)))]
