"""Values for the slots of a text: names that nobody has, times, prices, dates.

Names are invented, so that a model must read them in its passage and cannot know them. A tenth of all names is held out by a
fixed rule: training never sees one of these, evaluation over "new names" uses them alone.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping
from random import Random
from typing import Any


def _list(words: str) -> list[str]:
    return words.split()


SYLLABLES = _list(
    "ba be bo ca co cu da de do fa fe fi go ga gu ka ki lo la le li lu ma me mi mo mu na ne ni no pa pe pi po ra re ri ro ru sa se "
    "si so ta te ti to tu va ve vi vo ya yo za zo bra bri cla cro dra fle flo gra gre pla pri tra tre bel cor dal fen gal hol jun "
    "kan lor mar nel nor pel ras sel tar ten tor val ver wil zan"
)
ENDINGS = ("", "", "", "n", "r", "s", "l", "x", "ta", "na", "go")
FIRST_NAMES = _list(
    "Ada Adrián Alba Alice Amir Ana Andrés Bea Ben Bruno Carla Carmen Celia Chloe Clara Daniel David Diego Elena Eli Emma Eva Félix "
    "Fatima Gael Gina Grace Hana Hugo Ian Inés Iris Irene Iván Jack Jade Javier Jonas Julia Karim Kate Laia Laura Leo Lidia Lola Lucas "
    "Lucía Luis Maria Marta Mateo Max Mía Mina Nadia Nico Noah Nora Olga Olivia Omar Oscar Pablo Paula Pedro Pilar Rita Rocío Rosa Ruth "
    "Sam Sara Sofía Tim Teo Tomás Vera Víctor Wanda Yusuf Zoe"
)
WEEKDAYS = {
    "en": _list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "es": _list("lunes martes miércoles jueves viernes sábado domingo"),
}
MONTHS = {
    "en": _list("January February March April May June July August September October November December"),
    "es": _list("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
}
COLOURS = {
    "en": _list("red blue green yellow white black grey orange purple brown pink"),
    "es": _list("rojo azul verde amarillo blanco negro gris naranja morado marrón rosa"),
}


def is_held_out(name: str) -> bool:
    """Whether a name is kept from training: a tenth are, by a rule that never changes."""
    return zlib.crc32(name.lower().encode()) % 10 == 0


class Filler:
    """Draws values.

    Parameters
    ----------
    random : random.Random
        Where chance comes from; the same state gives the same values.
    new_names : bool
        Draw only names that are held out from training; False draws only the others.
    """

    def __init__(self, random: Random, new_names: bool = False) -> None:
        self.random = random
        self.new_names = new_names

    def word(self) -> str:
        """An invented word, lower case."""
        while True:
            syllables = self.random.choice((2, 2, 2, 3, 3))
            word = "".join(self.random.choice(SYLLABLES) for _ in range(syllables)) + self.random.choice(ENDINGS)
            if is_held_out(word) == self.new_names:
                return word

    def name(self) -> str:
        """An invented name."""
        return self.word().capitalize()

    def first(self) -> str:
        """A common first name, at times an invented one."""
        if self.random.random() < 0.25:
            return self.name()
        while True:
            name = self.random.choice(FIRST_NAMES)
            if is_held_out(name) == self.new_names:
                return name

    def value(self, kind: str | Mapping[str, Any], lang: str) -> str:
        """A value of a kind of slot (`documents.KINDS`), or one of the choices {'en': [...], 'es': [...]}."""
        if not isinstance(kind, str):
            return str(self.random.choice(kind[lang]))
        kind, *bounds = kind.split()
        r = self.random
        match kind:
            case "town" | "company" | "street":
                return self._place(kind, lang)
            case "person":
                return f"{self.first()} {self.name()}"
            case "first":
                return self.first()
            case "word":
                return self.word()
            case "number" | "year":
                return str(r.randint(int(bounds[0]), int(bounds[1])))
            case "time":
                return f"{r.randint(6, 22)}:{r.choice(('00', '15', '30', '45', '10', '20', '40', '50'))}"
            case "price":
                cents = {"en": ".", "es": ","}[lang] + r.choice(("50", "20", "80", "75")) if r.random() < 0.3 else ""
                return f"{r.choice((r.randint(2, 30), r.randint(2, 300)))}{cents} euros"
            case "date":
                day, month = r.randint(1, 28), r.choice(MONTHS[lang])
                return f"{day} {month}" if lang == "en" else f"{day} de {month}"
            case "weekday":
                return r.choice(WEEKDAYS[lang])
            case "month":
                return r.choice(MONTHS[lang])
            case "phone":
                return " ".join(str(r.randint(100, 999)) for _ in range(3))
            case "code":
                return r.choice("ABCDEFGHKLMNPRSTVXZ") + str(r.randint(1, 9)) + "-" + str(r.randint(100, 999))
            case "colour":
                return r.choice(COLOURS[lang])
            case "percent":
                return f"{r.randint(2, 95)} %"
            case "email":
                return f"{plain(self.first())}@{self.word()}.{r.choice(('org', 'com', 'es', 'net'))}"
        raise ValueError(f"Slot kind {kind!r} is unknown.")

    def _place(self, kind: str, lang: str) -> str:
        if kind == "company" and self.random.random() < 0.2:
            return f"{self.name()} {self.name()}"
        if kind != "street":
            return self.name()
        name = f"{self.first()} {self.name()}" if self.random.random() < 0.2 else self.name()
        return f"{name} {self.random.choice(('Street', 'Avenue', 'Road'))}" if lang == "en" else f"calle {name}"

    def slots(self, slots: Mapping[str, Any], lang: str) -> dict[str, str]:
        """A value for each slot, all different where the kinds allow it."""
        values: dict[str, str] = {}
        for slot, kind in slots.items():
            for _ in range(20):
                values[slot] = self.value(kind, lang)
                if list(values.values()).count(values[slot]) == 1:
                    break
        return values


def plain(text: str) -> str:
    """Lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))


def contracted(text: str, lang: str) -> str:
    """With the contractions that Spanish demands: de + el = del, a + el = al."""
    return re.sub(r"\b([Dd]e|[Aa]) el (?=[a-zñ])", lambda m: f"{m[1]}l ", text) if lang == "es" else text


def capital(text: str) -> str:
    """The text with a capital first letter, also behind ¿ and ¡."""
    for place, letter in enumerate(text):
        if letter.isalnum():
            return text[:place] + letter.upper() + text[place + 1 :]
        if letter not in "¿¡\"'(":
            break
    return text


def careless(text: str, random: Random) -> str:
    """The text as a hasty learner types it: now and then lower case, no end mark, no opening mark, no accents."""
    if random.random() < 0.6:
        return text
    if random.random() < 0.4:
        text = text[:2].lower() + text[2:] if text[:1] in "¿¡" else text[:1].lower() + text[1:]
    if random.random() < 0.35:
        text = text.rstrip("?!.")
    if random.random() < 0.4:
        text = text.lstrip("¿¡")
    if random.random() < 0.2:
        text = "".join(c for c in unicodedata.normalize("NFD", text) if c not in "\u0301\u0308")  # keeps ñ
        text = unicodedata.normalize("NFC", text)
    return text or "?"
