"""Doing something with a text: JSON out of a sentence, a story, a translation, a mood, a summary."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from .. import texts
from ..fill import capital, contracted
from ..sample import Check, Draw, Sample, ask
from .entries import SENTENCE_END, documents_for

# Parts of a sentence about somebody: key, slot kind and clause per language.
PARTS: list[dict[str, Any]] = [
    {"kind": "number 5 90", "en": ("age", "is {v} years old"), "es": ("edad", "tiene {v} años"), "number": True},
    {"kind": "town", "en": ("town", "lives in {v}"), "es": ("ciudad", "vive en {v}")},
    {"kind": "phone", "en": ("phone", "has the phone number {v}"), "es": ("telefono", "tiene el teléfono {v}")},
    {"kind": "email", "en": ("email", "writes from {v}"), "es": ("correo", "escribe desde {v}")},
    {"kind": "weekday", "en": ("day", "comes on {v}"), "es": ("dia", "viene el {v}")},
    {"kind": "time", "en": ("time", "arrives at {v}"), "es": ("hora", "llega a las {v}")},
    {"kind": "code", "en": ("code", "has the code {v}"), "es": ("codigo", "tiene el código {v}")},
    {"kind": "colour", "en": ("colour", "wears {v}"), "es": ("color", "viste de {v}")},
    {"kind": "company", "en": ("company", "works for {v}"), "es": ("empresa", "trabaja para {v}")},
    {"kind": "number 1 20", "en": ("floor", "lives on floor {v}"), "es": ("piso", "vive en el piso {v}"), "number": True},
]
JSON_WORDINGS = {
    "en": [
        "Write as JSON with the keys {keys}: {text}",
        "Give me JSON ({keys}): {text}",
        "{text} Write it as JSON with {keys}.",
        "Extract {keys} as JSON from this: {text}",
        "From this sentence make a JSON object with {keys}: {text}",
        "JSON with {keys}, please. {text}",
        "Return a JSON object ({keys}) for: {text}",
        "Read this and give me {keys} in JSON. {text}",
        "{text} → JSON: {keys}",
        "Put {keys} into JSON. {text}",
        "{text} Make JSON of it, keys {keys}.",
        "Fields: {keys}. Text: {text} Answer in JSON.",
        "Turn this into JSON, keys {keys}: {text}",
    ],
    "es": [
        "Escribe en JSON con las claves {keys}: {text}",
        "Dame JSON ({keys}): {text}",
        "{text} Escríbelo en JSON con {keys}.",
        "Extrae {keys} en JSON de esto: {text}",
        "Haz con esta frase un objeto JSON con {keys}: {text}",
        "JSON con {keys}, por favor. {text}",
        "Devuelve un objeto JSON ({keys}) de: {text}",
        "Lee esto y dame {keys} en JSON. {text}",
        "{text} → JSON: {keys}",
        "Pon {keys} en JSON. {text}",
        "{text} Hazlo JSON, claves {keys}.",
        "Campos: {keys}. Texto: {text} Responde en JSON.",
        "Pasa esto a JSON, claves {keys}: {text}",
    ],
}
# A request for a story is put together: how it begins, what kind, about whom, where. The last of each is held out.
STORY_STARTS = {
    "en": [
        "Tell a",
        "Tell me a",
        "Write a",
        "Write me a",
        "Can you tell me a",
        "I want a",
        "Give me a",
        "Please tell a",
        "Make up a",
        "Invent a",
    ],
    "es": [
        "Cuenta una",
        "Cuéntame una",
        "Escribe una",
        "Escríbeme una",
        "¿Me cuentas una",
        "Quiero una",
        "Dame una",
        "Inventa una",
        "Haz una",
    ],
}
STORY_KINDS = {
    "en": ["story", "story", "short story", "tale", "little story", "bedtime story", "fairy tale", "story for children", "funny story"],
    "es": ["historia", "historia", "historia corta", "pequeña historia", "historia para niños", "historia divertida", "historia breve"],
}
STORY_HEROES = {
    "en": [
        "about {a} {animal}",
        "about {name} the {animal}",
        "about {a} {animal} called {name}",
        "about {a} {animal} named {name}",
        "about {name}",
        "about {thing}",
        "of the {animal} {name}",
        "with {name} the {animal}",
        "with {a} {animal}",
        "",
        "about {name}, {a} {animal}",
    ],
    "es": [
        "de {un} {animal}",
        "sobre {un} {animal}",
        "de {name}, {animal}",
        "de {un} {animal} llamad{o} {name}",
        "sobre {un} {animal} que se llama {name}",
        "de {name}",
        "de {thing}",
        "con {name}, {el} {animal}",
        "con {un} {animal}",
        "con {name} ({animal})",
        "",
        "de {name}, {un} {animal}",
    ],
}
STORY_PLACES = {
    "en": ["", "", "{in} {place}", "{in} {place}", "set {in} {place}", "that happens {in} {place}"],
    "es": ["", "", "en {place}", "en {place}", "que pasa en {place}", "que ocurre en {place}"],
}
TRANSLATION_WORDINGS = {
    "en": [
        "Translate into Spanish: {text}",
        "How do you say in Spanish: {text}",
        'What is "{text}" in Spanish?',
        "Say this in Spanish: {text}",
    ],
    "es": ["Traduce al inglés: {text}", "¿Cómo se dice en inglés: {text}", "¿Qué es «{text}» en inglés?", "Di esto en inglés: {text}"],
}
MOOD_WORDINGS = {
    "en": [
        "What is the mood of this review, positive, negative or neutral? {text}",
        "Positive, negative or neutral? {text}",
        "{text} What is the mood, in one word?",
        "Is this review positive, negative or neutral? {text}",
        "{text} Positive, negative or neutral?",
        "How does the writer feel? {text}",
        "Mood of this review: {text}",
    ],
    "es": [
        "¿Cuál es el tono de esta reseña: positivo, negativo o neutro? {text}",
        "¿Positivo, negativo o neutro? {text}",
        "{text} ¿Qué tono tiene, en una palabra?",
        "¿Es esta reseña positiva, negativa o neutra? {text}",
        "{text} ¿Positivo, negativo o neutro?",
        "¿Qué siente quien escribe? {text}",
        "Tono de esta reseña: {text}",
    ],
}
MOODS = {
    "en": {"positive": "positive", "negative": "negative", "neutral": "neutral"},
    "es": {"positive": "positivo", "negative": "negativo", "neutral": "neutro"},
}
SUMMARY_WORDINGS = {
    "en": [
        "Summarize in one sentence: {text}",
        "Give a summary in one sentence. {text}",
        "{text} Sum this up in one sentence.",
        "Shorten to one sentence: {text}",
        "What is the main point, in one sentence? {text}",
        "{text} In one sentence?",
        "Make one sentence of this: {text}",
        "One sentence, please: what does this say? {text}",
    ],
    "es": [
        "Resume en una frase: {text}",
        "Haz un resumen de una frase. {text}",
        "{text} Resúmelo en una frase.",
        "Acorta a una frase: {text}",
        "¿Cuál es la idea principal, en una frase? {text}",
        "{text} ¿En una frase?",
        "Haz de esto una sola frase: {text}",
        "En una sola frase, ¿qué dice esto? {text}",
    ],
}
LEAD = re.compile(r"(?:[^\s.!?:]+ ){4}[^.!?:]*\.")  # a sentence that tells something: no question, no heading


def to_json(draw: Draw) -> list[Sample]:
    """JSON out of a sentence, for the keys that are asked."""
    lang, r = draw.lang, draw.random
    parts = r.sample(PARTS, r.randint(1, 3))
    name = draw.fill.first() if r.random() < 0.7 else draw.fill.value("person", lang)
    known: dict[str, Any] = {"name" if lang == "en" else "nombre": name}
    clauses = []
    for part in parts:
        value = draw.fill.value(part["kind"], lang)
        known[part[lang][0]] = int(value) if part.get("number") else value
        clauses.append(part[lang][1].replace("{v}", value))
    joined = clauses[0] if len(clauses) == 1 else ", ".join(clauses[:-1]) + {"en": " and ", "es": " y "}[lang] + clauses[-1]
    keys = list(known) if r.random() < 0.5 else r.sample(list(known), r.randint(1, len(known)))
    answer = json.dumps({key: known[key] for key in keys}, ensure_ascii=False)
    text = draw.wording(JSON_WORDINGS[lang]).format(keys=", ".join(keys), text=f"{name} {joined}.")
    return [Sample(ask(text), answer, Check("json", (answer,)))]


def story(draw: Draw) -> list[Sample]:
    """A short story about what is asked for: a hero, a name, a place or a thing, or nothing in particular."""
    found = texts.table("stories")
    if not found:
        return []
    lang, r = draw.lang, draw.random
    wording = _story_request(draw)
    pick = _story_slots(draw, found, invented="{animal}" in wording and r.random() < 0.2)
    middles = r.sample(found["middle"], r.randint(1, 2))
    if "{thing}" in wording:
        middles[0] = r.choice([middle for middle in found["middle"] if "{thing}" in middle[lang]])
    led = {middle["leads"] for middle in middles if "leads" in middle}
    follow = [event for event in found["event"] if event.get("follows") in led] if r.random() < 0.8 else []
    event = r.choice(follow or [event for event in found["event"] if "follows" not in event])
    sentences = [sentence[lang].format(**pick) for sentence in (r.choice(found["opening"]), *middles, event, r.choice(found["ending"]))]
    answer = " ".join(capital(contracted(sentence, lang)) for sentence in sentences)
    holds = tuple(pick[slot] for slot in ("name", "animal", "place", "thing") if f"{{{slot}}}" in wording and pick[slot] in answer)
    return [Sample(ask(contracted(wording.format(**pick), lang)), answer, Check("story", holds))]


def _story_slots(draw: Draw, found: dict[str, Any], invented: bool) -> dict[str, str]:
    """Hero, place and thing, and what agrees with them. An invented hero teaches to copy whatever is asked for."""
    lang, r = draw.lang, draw.random
    hero, place = r.choice(found["animals"]), r.choice(found["places"])
    animal = draw.fill.word() if invented else hero[lang]
    feminine = hero.get("feminine", False)
    return {
        "name": draw.fill.first(),
        "animal": animal,
        "a": "an" if animal[0] in "aeiou" else "a",
        "un": "una" if feminine else "un",
        "el": "la" if feminine else "el",
        "o": "a" if feminine else "o",
        "place": place[lang],
        "in": place.get("in", "in"),
        "thing": r.choice(found["things"])[lang],
    }


def _story_request(draw: Draw) -> str:
    lang, r = draw.lang, draw.random
    start, kind = draw.wording(STORY_STARTS[lang]), draw.wording(STORY_KINDS[lang])
    if lang == "es" and r.random() < 0.4:  # un cuento
        start, kind = start.removesuffix("a"), kind.replace("historia", "cuento")
        kind = kind.replace("pequeña", "pequeño").replace("corta", "corto").replace("divertida", "divertido")
    request = " ".join(part for part in (start, kind, draw.wording(STORY_HEROES[lang]), draw.wording(STORY_PLACES[lang])) if part)
    if request.startswith(("Can", "¿")):
        return request + "?"
    ending = r.random()
    if ending < 0.1:
        return request + {"en": ", please.", "es": ", por favor."}[lang]
    return request[0].lower() + request[1:] if ending < 0.2 else request + "."


def translation(draw: Draw) -> list[Sample]:
    """A phrase or word of the list, from the language of the request into the other."""
    phrases, words = texts.items("phrases", "pair"), texts.items("phrases", "word")
    if not phrases and not words:
        return []
    if "documents" in draw.new:
        pair = draw.random.choice(phrases[11::12] or phrases)
    else:
        known = [pair for n, pair in enumerate(phrases) if n % 12 != 11]
        pair = draw.random.choice(known if known and draw.random.random() < 0.7 else words or known)
    answer = pair["es" if draw.lang == "en" else "en"]
    wording = draw.wording(TRANSLATION_WORDINGS[draw.lang])
    text = pair[draw.lang].rstrip("?.") if wording.endswith("?") else pair[draw.lang]
    return [Sample(ask(wording.format(text=text)), answer, Check("equals", (answer,)))]


def mood(draw: Draw) -> list[Sample]:
    """The mood of a short review in one word."""
    found = texts.items("reviews", "review")
    if not found:
        return []
    lang, r = draw.lang, draw.random
    review = r.choice([x for n, x in enumerate(found) if (n % 6 == 5) == ("documents" in draw.new)] or found)
    things = review.get("things") or texts.table("reviews").get("things") or [{"en": "lamp", "es": "lámpara"}]
    text = capital(review[lang].replace("{thing}", r.choice(things)[lang]))
    answer = MOODS[lang].get(review["mood"], review["mood"])
    return [Sample(ask(draw.wording(MOOD_WORDINGS[lang]).format(text=text)), capital(answer) + ".", Check("equals", (answer,)))]


def summary(draw: Draw) -> list[Sample]:
    """A short text in one sentence of it: the first, which says what the rest is about.

    To take the lead is the usual baseline of summarizing, and hard to beat (Nenkova 2005); to choose what to leave out and to put the
    rest in other words is more than a model of this size learns (see LOG.md).
    """
    found = texts.items("summaries", "text")
    if not found:
        return []
    lang, r = draw.lang, draw.random
    known = [document for document in documents_for(draw) if _has_lead(document.text[lang])]
    if known and r.random() < 0.5:
        document = r.choice(known)
        slots, text = document.slots, document.text[lang]
    else:
        item = r.choice([x for n, x in enumerate(found) if (n % 7 == 6) == ("documents" in draw.new)] or found)
        slots, text = item.get("slots", {}), item[lang]
    values = draw.fill.slots(slots, lang)
    sentences = [capital(" ".join(s.split()).format(**values)) for s in SENTENCE_END.split(text)][: r.randint(2, 5)]
    request = draw.wording(SUMMARY_WORDINGS[lang]).format(text=" ".join(sentences))
    return [Sample(ask(request), sentences[0], Check("equals", (sentences[0],)))]


@functools.cache
def _has_lead(text: str) -> bool:
    return LEAD.fullmatch(SENTENCE_END.split(text)[0]) is not None
