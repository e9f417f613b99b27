"""Obeying a system prompt: a name, a language, one word, how to begin or end; and not being disturbed by one that asks for nothing."""

from __future__ import annotations

from collections.abc import Callable

from ....chat import Message
from ..sample import Check, Draw, Sample
from . import facts

# The last of each is held out. Language rules by the language to answer in; the others by that of the conversation.
LANGUAGE = {
    "en": [
        "Answer in English.",
        "Always answer in English.",
        "Reply in English only.",
        "Speak English, whatever the language of the question.",
        "Responde en inglés.",
        "Contesta siempre en inglés.",
        "You are an assistant that answers in English.",
        "Write in English, please.",
    ],
    "es": [
        "Responde en español.",
        "Responde siempre en español.",
        "Contesta solo en español.",
        "Habla español, sea cual sea el idioma de la pregunta.",
        "Answer in Spanish.",
        "Always answer in Spanish.",
        "Eres un asistente que responde en español.",
        "Escribe en español, por favor.",
    ],
}
ONE_WORD = {
    "en": [
        "Answer with one word only.",
        "Answer in one word only.",
        "Answer in one word.",
        "One word only, please.",
        "Use a single word.",
        "Reply with one word.",
        "Only one word.",
        "Just one word.",
    ],
    "es": [
        "Responde con una sola palabra.",
        "Contesta con una palabra.",
        "Responde en una palabra.",
        "Una sola palabra, por favor.",
        "Usa una única palabra.",
        "Responde solo con una palabra.",
        "Una palabra nada más.",
        "Solo una palabra.",
    ],
}
NAME = {
    "en": [
        "Your name is {v}.",
        "You are called {v}.",
        "You are {v}, a friendly assistant.",
        "You are {v}, the assistant of a small shop.",
        "You are {v}.",
        "From now on your name is {v}.",
        "Call yourself {v}.",
    ],
    "es": [
        "Te llamas {v}.",
        "Tu nombre es {v}.",
        "Eres {v}, un asistente amable.",
        "Eres {v}, asistente de una pequeña tienda.",
        "Eres {v}.",
        "Desde ahora te llamas {v}.",
        "Preséntate como {v}.",
    ],
}
WHO = {
    "en": [
        "Who are you?",
        "What is your name?",
        "What are you called?",
        "Tell me your name.",
        "Hello, who are you?",
        "Who am I talking to?",
    ],
    "es": ["¿Quién eres?", "¿Cómo te llamas?", "¿Cuál es tu nombre?", "Dime tu nombre.", "Hola, ¿quién eres?", "¿Con quién hablo?"],
}
I_AM = {"en": "My name is {v}.", "es": "Me llamo {v}."}
BEGIN = {
    "en": ['Begin every answer with "{v}".', "Start each answer with {v}", 'Always begin with "{v}".', 'Every answer starts with "{v}".'],
    "es": [
        "Empieza cada respuesta con «{v}».",
        "Comienza cada respuesta con {v}",
        'Empieza siempre con "{v}".',
        "Toda respuesta empieza con «{v}».",
    ],
}
END = {
    "en": ['End every answer with "{v}".', "Finish each answer with {v}", 'Always end with "{v}".', 'Every answer ends with "{v}".'],
    "es": [
        "Termina cada respuesta con «{v}».",
        "Acaba cada respuesta con {v}",
        'Termina siempre con "{v}".',
        "Toda respuesta termina con «{v}».",
    ],
}
BEGINNINGS = {
    "en": ["Ahoy!", "Hello!", "Dear student:", "Sure!", "Good question!"],
    "es": ["¡Hola!", "¡Claro!", "Querido alumno:", "¡Buena pregunta!", "Veamos:"],
}
ENDINGS = {"en": ["Over.", "Good luck!", "Bye!", "Thank you!", "Right?"], "es": ["Corto.", "¡Suerte!", "¡Adiós!", "¡Gracias!", "¿Vale?"]}
NOTHING = {
    "en": [
        "You are a helpful assistant.",
        "You are a helpful, honest assistant.",
        "Be brief and clear.",
        "Be friendly.",
        "You help students.",
        "Answer the user's questions.",
        "You are a local model on the user's computer.",
        "You are an assistant that helps people.",
    ],
    "es": [
        "Eres un asistente útil.",
        "Eres un asistente útil y honesto.",
        "Sé breve y claro.",
        "Sé amable.",
        "Ayudas a estudiantes.",
        "Responde a las preguntas del usuario.",
        "Eres un modelo local en el ordenador del usuario.",
        "Eres un asistente que ayuda a la gente.",
    ],
}
RULES = {"name": 4, "language": 4, "one word": 3, "begin": 2, "end": 2, "nothing": 2}


def system_prompt(draw: Draw) -> list[Sample]:
    """A question under one rule."""
    r, lang = draw.random, draw.lang
    rule = r.choices(list(RULES), list(RULES.values()))[0]
    if rule == "name":
        return [_named(draw)]
    if rule == "language":
        return _in_another_language(draw)
    found = facts.world_facts(draw) if rule == "one word" else _any_question(draw)(draw)
    if not found:
        return []
    [fact] = found
    if rule == "one word":
        word = fact.check.values[0]
        return [_under(draw.wording(ONE_WORD[lang]), fact, word[:1].upper() + word[1:] + ".", Check("equals", (word,)))]
    if rule == "nothing":
        return [_under(draw.wording(NOTHING[lang]), fact, fact.answer, fact.check)]
    rules, words = (BEGIN, BEGINNINGS) if rule == "begin" else (END, ENDINGS)
    said = draw.fill.name() + "!" if r.random() < 0.5 else r.choice(words[lang])
    answer = f"{said} {fact.answer}" if rule == "begin" else f"{fact.answer} {said}"
    values = fact.check.values if fact.check.kind in ("holds", "mentions") else (fact.answer.rstrip("."),)
    return [_under(draw.wording(rules[lang]).format(v=said), fact, answer, Check("mentions", (*values, said.rstrip("."))))]


def _any_question(draw: Draw) -> Callable[[Draw], list[Sample]]:
    """Of the world, of the course, or what a newcomer types first: 'Who are you?' has its own answer unless a name is given."""
    return draw.random.choices((facts.world_facts, facts.course_facts, facts.first_words), (11, 4, 5))[0]


def _named(draw: Draw) -> Sample:
    lang, name = draw.lang, draw.fill.first()
    messages = (Message("system", draw.wording(NAME[lang]).format(v=name)), Message("user", draw.wording(WHO[lang])))
    return Sample(messages, I_AM[lang].format(v=name), Check("holds", (name,)))


def _in_another_language(draw: Draw) -> list[Sample]:
    """The question in either language, the answer in this one."""
    r, lang = draw.random, draw.lang
    asks = {"en": "es", "es": "en"}[lang] if r.random() < 0.8 else lang
    skill = _any_question(draw)
    state = r.getstate()
    question = skill(Draw(r, asks, draw.progress, draw.new))
    r.setstate(state)  # the same fact in both languages
    answer = skill(draw)
    return [_under(draw.wording(LANGUAGE[lang]), question[0], answer[0].answer, answer[0].check)] if question and answer else []


def _under(system: str, fact: Sample, answer: str, check: Check) -> Sample:
    return Sample((Message("system", system), *fact.messages), answer, check)
