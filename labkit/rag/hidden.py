"""What a reader does not see, and what a tokenizer could take for a command: found, shown, and taken out of what a model gets.

A document may hold characters without a picture (zero width, direction marks, tags), with which text can be hidden from people and
still reach a model. And it may hold the names of control tokens, such as ``<|im_end|>``: labkit's own engine reads them as text, a
server may not.
"""

from __future__ import annotations

import re
import unicodedata

# Without a picture though Unicode calls them letters or marks: grapheme joiner, Hangul and Khmer fillers, braille blank.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
_CANDIDATE = re.compile(
    f"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f"
    f"\ufeff\ufff9-\ufffb\U000110bd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff{_BLANK}]"
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{2,6}\U000e007f")  # the flags of Scotland, Wales and the like

# Names of control tokens, as the chat templates of the models on Ollama spell them.
_CONTROL = re.compile(
    r"<[|｜][^<>\n]{1,60}?[|｜]>|</?s>|<(?:bos|eos|pad|unk|sep|cls|mask)>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG)\]"
    r"|<</?SYS>>|</?(?:start|end)_of_(?:turn|image|utterance)>|</?(?:think|tool_call|tool_response|tools|image)>|<\|[a-z_]{2,30}>|<[a-z_]{2,30}\|>",
    re.I,
)
_NUMBER = re.compile(r"\w(?:\[\d{1,3}\])+|\[(\d{1,3})\]")  # an index, such as a[0][1], or (in a group) a number as passages carry it


def find(text: str) -> list[tuple[int, str]]:
    """Places and names of the characters that a reader does not see.

    What belongs to writing is none of them: a joiner inside an emoji or between letters of scripts that use it, the tags of a flag.

    >>> find("pass\\u200bword")
    [(4, 'U+200B ZERO WIDTH SPACE')]
    >>> find("👩\\u200d🏫 means teacher")
    []
    """
    if text.isascii() and text.isprintable():
        return []
    flags = [match.span() for match in _FLAG.finditer(text)]
    found = []
    for match in _CANDIDATE.finditer(text):
        place, char = match.start(), match[0]
        if not _belongs(text, place, char) and not any(start <= place < end for start, end in flags):
            found.append((place, name(char)))
    return found


def name(char: str) -> str:
    """Code point and name of a character.

    >>> name("\\u202e")
    'U+202E RIGHT-TO-LEFT OVERRIDE'
    """
    return f"U+{ord(char):04X} {unicodedata.name(char, 'CONTROL CHARACTER')}"


def _belongs(text: str, place: int, char: str) -> bool:
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if "\ufe00" <= char <= "\ufe0f":  # chooses between two pictures of the sign before it; after a letter it is no such thing
        return unicodedata.category(before or " ") in ("So", "Sm", "Po", "Nd", "Sc", "Sk", "Lo")
    if char in "\u200c\u200d":
        joined = [unicodedata.category(c) for c in (before, after) if c and c != "\ufe0f"]
        return bool(before and after) and all(kind in ("So", "Sk", "Lo", "Mn", "Mc") for kind in joined)
    return "\u0600" <= char <= "\u0605" or char in "\u06dd\u070f"


def strip(text: str) -> str:
    """The text without the characters that `find` finds.

    >>> strip("pass\\u200bword")
    'password'
    """
    gone = {place for place, _ in find(text)}
    return "".join(char for place, char in enumerate(text) if place not in gone) if gone else text


def visible(text: str) -> str:
    """The text with the characters that `find` finds spelled out, for displays.

    >>> visible("pass\\u200bword")
    'pass⟨U+200B⟩word'
    """
    found = find(text)
    parts, last = [], 0
    for place, label in found:
        parts += [text[last:place], f"⟨{label.split()[0]}⟩"]
        last = place + 1
    return "".join([*parts, text[last:]]) if found else text


def controls(text: str) -> list[str]:
    """Names of control tokens that stand in a text.

    >>> controls("Hello<|im_end|> and [INST]")
    ['<|im_end|>', '[INST]']
    """
    return [match[0] for match in _CONTROL.finditer(text)]


def defuse(text: str) -> str:
    """The text with a space inside each name of a control token, so that no server reads it as one.

    >>> defuse("Hello<|im_end|>")
    'Hello< |im_end|>'
    """
    while True:  # a name may hide in what a first pass leaves
        changed = _CONTROL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        if changed == text:
            return text
        text = changed


def numbers(text: str, passages: int = 999) -> list[str]:
    """Numbers in a text that look like the number of a passage, where there are so many passages.

    >>> numbers("See [3], but not a[0].")
    ['[3]']
    >>> numbers("As the survey [12] shows.", passages=4)
    []
    """
    return [match[0] for match in _NUMBER.finditer(text) if 1 <= int(match[1] or 0) <= passages]


def unnumber(text: str, passages: int = 999) -> str:
    """The text with such numbers in round brackets: `[n]` belongs to the passages themselves.

    >>> unnumber("See [3].")
    'See (3).'
    """
    return _NUMBER.sub(lambda match: f"({match[1]})" if 1 <= int(match[1] or 0) <= passages else match[0], text)
