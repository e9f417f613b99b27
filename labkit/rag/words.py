"""Text as the word index and the checks see it: words without case, accents and endings; sentences; which language it is in."""

from __future__ import annotations

import bisect
import itertools
import re
import unicodedata
from functools import lru_cache

from . import hidden, tables

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\d+(?:[.,:/]\d+)*|\w+")
_STOP = {
    "en": "a an and any are as at be been but by can could did do does for from had has have he her his how i if in into is it its me my "
    "no not of on or our she should so than that the their them then there these they this those to was we were what when where which who "
    "whom whose why will with would you your",
    "es": "a al algo ante como con cual cuales cuando cuanto cuanta cuantos cuantas de del desde donde e el ella ellas ellos en entre era "
    "es esa ese eso esta estan este esto estos fue ha han hay la las le les lo los mas me mi mis muy ni no nos o para pero por porque que "
    "quien quienes se ser si sin sobre son su sus te tiene tienen tu tus u un una unas uno unos y ya",
}
STOP_WORDS = {language: frozenset(words.split()) for language, words in _STOP.items()}
_ALL_STOP = frozenset().union(*STOP_WORDS.values())
_SHORT = (
    "mr mrs ms dr prof sr sra srta dra st nr nº núm num art fig p pp pág págs pag vol ed eds e.g i.e vs approx ca cf tel ext av avda "
    "c ej p.ej d dª dña ud uds inc ltd s.a dept depto jan feb mar apr jun jul aug sep sept oct nov dec"
)
_ABBREVIATIONS = frozenset(_SHORT.split())


def plain(text: str) -> str:
    """Lower case, without accents, hidden characters and typographic variants (NFKC).

    >>> plain("¿Cuándo ABRE la ﬁesta?")
    '¿cuando abre la fiesta?'
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", hidden.strip(text).casefold())
    return "".join(char for char in text if not unicodedata.combining(char))


def stem(word: str) -> str:
    """A word without its commonest endings, English and Spanish alike: plural, -ing, -ed, a last vowel.

    Rough on purpose (after Harman, *How effective is suffixing?*, 1991): 'libraries' and 'library', 'profesores' and 'profesor' meet.

    >>> [stem(word) for word in ("opens", "opening", "libraries", "library", "profesores", "profesora", "9", "bus")]
    ['open', 'open', 'library', 'library', 'profesor', 'profesor', '9', 'bus']
    """
    if len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word[-1] == "s" and word[-2] not in "sui":
        word = word[:-1]
    if word.endswith("ing") and len(word) >= 7:
        word = word[:-3]
    elif word.endswith("ed") and len(word) >= 6:
        word = word[:-2]
    return word[:-1] if len(word) > 4 and word[-1] in "aeo" else word


_stem = lru_cache(maxsize=20_000)(stem)  # the words of questions and answers come again and again


def words(text: str, stop: bool = True) -> list[str]:
    """The words by which a text is found: plain, without endings, and without the commonest words where `stop` says so.

    >>> words("When do the libraries open?")
    ['library', 'open']
    >>> words("¿Cuándo abren las bibliotecas?")
    ['abren', 'bibliotec']
    """
    return [_stem(word) for word in forms(text) if not (stop and is_stop(word))]


def is_stop(form: str) -> bool:
    """Whether a word, as `forms` gives it, is one of the commonest.

    >>> is_stop("the"), is_stop("library")
    (True, False)
    """
    return form in _ALL_STOP


def forms(text: str) -> list[str]:
    """The words of a text as they stand, but for case and accents.

    >>> forms("¿Cuándo abren las bibliotecas?")
    ['cuando', 'abren', 'las', 'bibliotecas']
    """
    found: list[str] = _WORD.findall(plain(text))
    return found


def tokens(text: str) -> list[str]:
    """Words, with numbers and times whole, for comparing a sentence with a passage.

    >>> tokens("Room 3.14 opens at 9:30.")
    ['room', '3.14', 'open', '9:30']
    """
    return [_stem(word) for word in _TOKEN.findall(plain(text)) if not is_stop(word)]


def language(text: str, default: str = "en") -> str:
    """'en' or 'es', by signs that only Spanish has and by the commonest words; `default` where nothing tells.

    >>> language("¿A qué hora abre la biblioteca?"), language("When does it open?"), language("42")
    ('es', 'en', 'en')
    """
    if re.search(r"[¿¡ñÑ]", text):
        return "es"
    found = _WORD.findall(plain(text))
    scores = {lang: sum(word in stop for word in found) for lang, stop in STOP_WORDS.items()}
    if scores["en"] == scores["es"]:
        return "es" if re.search(r"[áéíóú]", text.lower()) else default
    return max(scores, key=lambda lang: scores[lang])


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, white space around it left out.

    A sentence ends at . ! ? … before a space and what may begin another; at an empty line; at the end of a line that is shorter than
    the lines around it (a heading), is the row of a table, or is before a bullet. Abbreviations, numbers and initials do not end one.

    >>> text = "Dr. Vega opens at 9.30. Is it free? Yes."
    >>> [text[start:end] for start, end in sentences(text)]
    ['Dr. Vega opens at 9.30.', 'Is it free?', 'Yes.']
    """
    found = tables.find(text)
    rows = {place for table in found for place in (*table.starts, table.end)}
    tops = [table.starts[0] for table in found]

    def in_a_row(end: int) -> bool:
        number = bisect.bisect_left(tops, end) - 1
        return number >= 0 and end < found[number].end

    stops = [end for end in _full_stops(text) if not in_a_row(end)]
    rules = {table.starts[1] for table in found if table.ruled}  # each stays with its header
    ends = sorted({*_line_ends(text), *rows, *stops, len(text)} - rules)
    spans, start = [], 0
    for end in ends:
        piece = text[start:end]
        if piece.strip():
            left = start + len(piece) - len(piece.lstrip())
            spans.append((left, start + len(piece.rstrip())))
        start = end
    return spans


_STOP_SIGN = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)")
_BULLET = re.compile(r"\s*(?:[-*•‣◦▪–—]|\d{1,3}[.)]|[a-z]\))\s+", re.I)


def _full_stops(text: str) -> list[int]:
    ends = []
    for match in _STOP_SIGN.finditer(text):
        after = text[match.end() :].lstrip()[:1] if match.end() + 40 > len(text) else text[match.end() : match.end() + 40].lstrip()[:1]
        if after and after.islower():
            continue
        if match[0] == ".":
            word = re.search(r"\S*$", text[max(0, match.start() - 30) : match.start()])
            last = word[0].lower().strip("([\"'“«¿¡") if word else ""
            initial = len(last) == 1 and last.isalpha() and word is not None and word[0][-1].isupper()
            numbered = last == "no" and after.isdigit()
            if last in _ABBREVIATIONS or initial or numbered or (last.isdigit() and _begins_line(text, match.start() - len(last))):
                continue
        ends.append(match.end())
    return ends


def _begins_line(text: str, place: int) -> bool:
    return not text[text.rfind("\n", 0, place) + 1 : place].strip()


def _line_ends(text: str) -> list[int]:
    """Ends of lines that end a sentence too."""
    lines, place = [], 0
    for line in text.splitlines(keepends=True):
        lines.append((place, line))
        place += len(line)
    lengths = sorted(len(line.strip()) for _, line in lines if line.strip())
    usual = lengths[int(0.75 * (len(lengths) - 1))] if lengths else 0
    ends = []
    for (start, line), (_, following) in itertools.pairwise(lines):
        row = line.strip()
        marked = not row or not following.strip() or _BULLET.match(following) or following.lstrip()[:1] == "#" or row[:1] == "#"
        if marked or (len(row) < 0.6 * max(usual, 50) and not following.lstrip()[:1].islower()):
            ends.append(start + len(line))
    return ends
