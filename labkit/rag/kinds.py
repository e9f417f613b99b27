"""What kind of thing a question asks for (a time, a price, a year…), and whether a text names one.

An answer to "At what time is breakfast served?" that names no time is none, however well its passage holds it up: `answer.finish`
withholds it. Only the kinds are known that a text shows by its form, in English and Spanish; of any other question nothing is said. In
question answering this is the expected answer type (Li and Roth 2002, Learning Question Classifiers, COLING).
"""

from __future__ import annotations

import re

from ..wording import say
from . import words
from .check import CITE

_MONTHS = (
    "january|february|march|april|june|july|august|september|october|november|december|"
    r"may(?=[^\w ]|$| (?:in|at|on|and|to|until|from|of|for|with|it|the|we|\d))|"
    "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
)
_DATE = rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of |de )?(?:{_MONTHS})\b|\b(?:{_MONTHS}) \d{{1,2}}\b"
_CLOCK = r"\b\d{1,2}[:.h]\d\d\b(?! ?(?:euro|€|%|k?[gm]\b))"
_YEAR = r"\b(?:1\d|20)\d\d\b"
_NO_UNIT = (
    r"(?=[^\w ]|$| (?:to|and|until|in|on|with|when|by|after|before|because|since|at|for|from|the|an?|"
    r"y|en|con|cuando|por|hasta|porque|tras|el|la|un|una)\b)"
)
_ONE_TO_TWELVE = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_UNO_A_DOCE = "una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce"

# Kind -> how a question asks for it. Both are compared without case and accents (`words.plain`).
ASKED = {
    "e-mail address": r"\be-?mail address|\b(?:cual|que) .*\bcorreo electronico\b|\bdireccion (?:de correo electronico|electronica)\b",
    "telephone number": r"\b(?:tele)?phone number|\bnumero de telefono\b|\bcual es el telefono\b",
    "year": r"\b(?:what|which) year\b|\b(?:en|de) que ano\b",
    "time": r"\bwhat time\b(?! of (?:the )?(?:year|day))|\b(?:a|hasta|desde|sobre|de) que hora\b",
    "price": (
        r"\bhow much (?:is|are|do|does|did|must|will|would)\b.*\b(?:cost|pay|charge|earn)|"
        r"\bwhat (?:is|are|do|does) .*\b(?:cost|fee|price)\b|"
        r"\bcuanto (?:cuestan?|valen?|costo|cobran?|gana|hay que pagar|se paga)\b|\bque precio\b"
    ),
    "number": (
        r"\bhow many\b|\bhow (?:deep|high|tall|wide|heavy|old|warm|hot|cold|large|big|fast|thick|broad|far(?! back))\b(?!.*\byear)|"
        r"\bcuant[oa]s\b|\bque (?:edad|profundidad|altura|altitud|anchura|peso|temperatura)\b(?!.*\bano)|"
        r"\bque (?:distancia|longitud|superficie|velocidad|capacidad)\b|\bcuanto (?:miden?|pesan?)\b|\ba que distancia\b"
    ),
    "day": r"\b(?:what|which) (?:days?|date|weekday)\b|\bque (?:dias?|fecha)\b",
    "length of time": r"\bhow long\b|\bcuanto (?:tiempo|rato|duran?|tardan?)\b",
    "colour": r"\b(?:what|which) colou?rs?\b|\bque color(?:es)?\b",
    "amount": r"\bhow much\b|\bcuanto (?!antes\b)",
}
# Kind -> what a text shows that names one.
NAMED = {
    "e-mail address": "@",
    "telephone number": r"\d[\d ./-]*\d\d",
    "year": _YEAR,
    "time": (
        rf"{_CLOCK}|\bo.?clock\b|\b(?:noon|midday|midnight|mediodia|medianoche)\b|\b\d{{1,2}} ?(?:[ap]\.?m|h|horas)\b|"
        r"\b(?:at|from|until|till|by|before|after|past|to|and|between) (?:about |half |quarter )?(?:past |to )?"
        rf"(?:\d{{1,2}}|{_ONE_TO_TWELVE})\b|\blas? (?:\d{{1,2}}|{_UNO_A_DOCE})\b|\by (?:media|cuarto)\b"
    ),
    "price": (
        r"[€$£%]|\b(?:euros?|cents?|centimos?|dollars?|dolares?|pounds?|libras?|pence|shillings?|crowns?|coronas?|pesos?|francs?|francos?|"
        r"florins?|florin(?:es)?|yen|rupees?|rupias?|zlotys?|coins?|monedas?|"
        r"free|gratis|gratuit[oa]s?|nothing|nada|half|mitad|percent|por ciento|price|precio)\b"
    ),
    "number": (
        rf"\d|\b(?:{_ONE_TO_TWELVE}|{_UNO_A_DOCE}|\w+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty[- \w]*|hundreds?|thousands?|"
        r"none|nobody|once|twice|both|several|dozen|couple|pair|half|single|trece|catorce|quince|dieci\w+|veint\w+|treinta|cuarenta|"
        r"cincuenta|sesenta|setenta|ochenta|noventa|cien|cientos?|mil|ningun[oa]?|nadie|ambos|ambas|vari[oa]s|docenas?|par|medi[oa]|mitad)\b"
    ),
    "day": (
        rf"{_DATE}|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:lunes|martes|miercoles|jueves|viernes|sabados?|domingos?)\b|"
        rf"\b(?:{_MONTHS}|today|tomorrow|days?|daily|weekends?|weeks?|christmas|easter|"
        r"hoy|manana|dias?|diario|semanas?|navidad|festivos?)\b|\b\d{1,2}[./]\d{1,2}\b"
    ),
    "colour": (
        r"\b(?:red|blue|green|yellow|black|white|gr[ea]y|brown|orange|purple|violet|pink|gold(?:en)?|silver|beige|cream|turquoise|ochre|crimson|"
        r"scarlet|lilac|copper|bronze|colou?r\w*|roj[oa]s?|azul(?:es)?|verdes?|amarill[oa]s?|negr[oa]s?|blanc[oa]s?|gris(?:es)?|marron(?:es)?|"
        r"naranjas?|morad[oa]s?|violetas?|rosas?|dorad[oa]s?|platead[oa]s?|crema|turquesas?|ocres?|granates?|lilas?|pard[oa]s?)\b"
    ),
}
NAMED["length of time"] = (
    rf"{NAMED['number']}|\b(?:until|till|hasta|since|desde|whole|always|forever|siempre|tod[oa]|(?:second|minute|hour|night|day|week|month|term|year|decade)s?|"
    r"semesters?|semestres?|cuatrimestres?|trimest(?:er|re)s?|seasons?|temporadas?|lifetime|vida|centur(?:y|ies)|(?:segundo|minuto|hora|noche|dia|semana|ano|decada|siglo)s?|mes(?:es)?)\b"
)
NAMED["amount"] = rf"{NAMED['price']}|{NAMED['number']}|\b(?:all|whole|everything|little|much|tod[oa]|poc[oa]|much[oa])\b"
# Kind -> what is to be said of a text that names none.
MISSING = {
    "e-mail address": "it names no e-mail address",
    "telephone number": "it names no telephone number",
    "year": "it names no year",
    "time": "it names no time",
    "price": "it names no price",
    "number": "it names no number",
    "day": "it names no day",
    "length of time": "it names no length of time",
    "colour": "it names no colour",
    "amount": "it names no amount",
}
# What is no number of things, nor of a telephone: times, dates and years.
_ASIDE = {"telephone number": f"{_CLOCK}|{_DATE}|{_YEAR}", "number": f"{_CLOCK}|{_DATE}|{_YEAR}{_NO_UNIT}"}


def asked(question: str) -> str:
    """The kind of thing that a question asks for, a key of `ASKED`; empty where its form does not tell.

    >>> asked("At what time is breakfast served?"), asked("¿Cuánto cuesta aparcar?"), asked("Who runs the office?")
    ('time', 'price', '')
    """
    text = words.plain(question)
    return next((kind for kind, pattern in ASKED.items() if re.search(pattern, text)), "")


def named(kind: str, text: str) -> bool:
    """Whether a text names something of a kind; numbers of citations do not count.

    >>> named("time", "Lunch is at half past twelve [1]."), named("year", "[2] She built boats for twenty-six years.")
    (True, False)
    """
    plain = words.plain(CITE.sub(" ", text))
    if kind == "price" and " | " in text:  # of a table, whose header may say what the numbers are
        kind = "amount"
    return bool(re.search(NAMED[kind], re.sub(_ASIDE[kind], " ", plain) if kind in _ASIDE else plain))


def missing(kind: str, lang: str) -> str:
    """What is to be said of an answer that names nothing of a kind."""
    return say(MISSING[kind], lang)
