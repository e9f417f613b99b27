"""How documents, passages, hits and answers look in a notebook. Everything is escaped, and hidden characters are spelled out."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..display import _BOX, _SMALL, PLAIN, bytes_text, escape, table_html
from ..wording import count, say
from . import hidden, words
from .check import CITE

if TYPE_CHECKING:
    from .answer import Answer
    from .chunks import Passage, Passages
    from .documents import Document, Documents
    from .grow import Growth
    from .knowledge import KnowledgeBase
    from .retrieve import Hits
    from .trace import Trace

SHOWN = 20_000  # characters of one document
ROWS = 50
# Light enough for black text and dark enough for white (12 % of a colour over the page's own ground); told apart without colour by
# the number that each passage begins with.
_COLOURS = ("0,114,178", "230,159,0", "0,158,115", "204,121,167", "86,180,233", "213,94,0")


def safe(text: object) -> str:
    """Text for HTML: markup stays text, hidden characters are spelled out, a link is no link."""
    return escape(hidden.visible(str(text)))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    shown = [[hidden.visible(str(cell)) for cell in row] for row in rows[:ROWS]]
    more = f"<div style='{_SMALL}'>{say('and {n} more', n=len(rows) - ROWS)}</div>" if len(rows) > ROWS else ""
    return table_html(columns, shown, hidden.visible(caption)) + more


def _short(text: str, size: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= size else f"{line[: size - 1]}…"


def document_html(document: Document) -> str:
    """A document: title, notes, the beginning of its text."""
    rest = len(document.text) - SHOWN
    more = f"<div style='{_SMALL}'>{say('and {n:,} more characters', n=rest)}</div>" if rest > 0 else ""
    notes = "".join(f"<div style='{_SMALL}'>⚠ {safe(note)}</div>" for note in document.notes)
    head = f"<b>{safe(document.title or document.source)}</b> <span style='{_SMALL}'>{safe(_about(document))}</span>"
    return f"<div class='{PLAIN}'>{head}{notes}<div style='{_BOX}'>{safe(document.text[:SHOWN])}</div>{more}</div>"


def _about(document: Document) -> str:
    parts = [document.source, document.kind]
    if document.pages:
        parts.append(count(len(document.pages), "pages"))
    return " · ".join([*parts, say("{n:,} characters", n=len(document.text))])


def documents_html(documents: Documents) -> str:
    """A table of documents, and of what was left out."""
    rows = [(d.source, d.title, d.kind, len(d.pages) or "", f"{len(d.text):,}", "; ".join(d.notes)) for d in documents]
    out = _table([say(name) for name in ("source", "title", "kind", "pages", "characters", "notes")], rows)
    return out + _skipped([(item.source, item.reason) for item in documents.skipped])


def _skipped(items: Sequence[tuple[str, str]]) -> str:
    return _table((say("left out"), say("why")), items) if items else ""


def passage_html(passage: Passage) -> str:
    """A passage with where it is from."""
    about = f"<div style='{_SMALL}'>{safe(passage.place)} · {passage.tokens} tokens</div>"
    return f"<div class='{PLAIN}'><div style='{_BOX}'>{safe(passage.given)}</div>{about}</div>"


def passages_html(passages: Passages) -> str:
    """Each document with its passages in colour; text of two passages (overlap) is underlined."""
    if not passages.documents:
        rows = [(p.source, p.page or "", p.tokens, _short(p.given)) for p in passages]
        return _table([say(name) for name in ("source", "page", "tokens", "text")], rows)
    parts, room = [], SHOWN
    for document in passages.documents:
        own = [p for p in passages if p.source == document.source]
        if room <= 0:
            parts.append(f"<div style='{_SMALL}'>{say('and more documents')}</div>")
            break
        tokens = [p.tokens for p in own] or [0]
        sizes = say("{passages}, {least} to {most} tokens", passages=count(len(own), "passages"), least=min(tokens), most=max(tokens))
        parts.append(f"<b>{safe(document.title or document.source)}</b> <span style='{_SMALL}'>{safe(document.source)} · {sizes}</span>")
        parts.append(f"<div style='white-space:pre-wrap;margin:.3em 0 .8em'>{_coloured(document.text, own, room)}</div>")
        room -= len(document.text)
    return f"<div class='{PLAIN}'>{''.join(parts)}</div>"


def _coloured(text: str, passages: Sequence[Passage], room: int) -> str:
    text = text[:room]
    starts = {p.start: n for n, p in enumerate(passages)}
    edges = sorted({0, len(text), *(e for p in passages for e in (p.start, p.end) if e < len(text))})
    out = []
    for start, end in itertools.pairwise(edges):
        inside = [n for n, p in enumerate(passages) if p.start <= start < p.end]
        number = f"<sup style='{_SMALL}'>{starts[start] + 1}</sup>" if start in starts else ""
        if not inside:
            out.append(safe(text[start:end]))
            continue
        colour = _COLOURS[inside[-1] % len(_COLOURS)]
        twice = "text-decoration:underline dotted;" if len(inside) > 1 else ""
        out.append(f"{number}<span style='{twice}background:rgba({colour},.18);border-radius:2px'>{safe(text[start:end])}</span>")
    return "".join(out)


PARTS = {
    "vector": "cosine",
    "vector_rank": "its rank",
    "vector_before": "with what comes before",
    "lexical": "BM25",
    "lexical_rank": "its rank",
    "words": "words",
    "passage": "its passage",
}


def hits_html(hits: Hits) -> str:
    """A table of hits with the parts of each score, in the language of the question."""
    lang = words.language(hits.question)
    left = hits.how + hits.left_out(lang)
    if not hits:
        said = say("Nothing relevant was found for {question} ({left}).", lang, question=safe(repr(hits.question)), left=safe(left))
        return f"<div class='{PLAIN}'>{said}</div>"
    names = [name for name in PARTS if any(name in hit.parts for hit in hits)]
    rows = [
        (
            hit.rank,
            hit.passage.place,
            f"{hit.score:.3g}",
            *(_number(hit.parts.get(name)) for name in names),
            f"{hit.relevance:.2f}",
            _short(hit.passage.given),
        )
        for hit in hits
    ]
    columns = [say(key, lang) for key in ("rank", "place", "score", *(PARTS[name] for name in names), "relevance", "passage")]
    return _table(columns, rows, f"{hits.question} ({left})")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def withheld_html(answer: Answer) -> str:
    """What the model said and the check kept back, with the reason."""
    return f"✗ {safe(answer.withheld)} — {safe(answer.trace['check'].says)}"


def answer_html(answer: Answer) -> str:
    """An answer, what holds up each sentence, and its sources. Links and images in it stay text."""
    body = "".join(
        f"<b>{safe(part)}</b>" if CITE.fullmatch(part) else safe(part)
        for part in re.split(r"(\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\])", answer.text)
    )
    checks = "".join(
        f"<div style='{_SMALL}'>{'✓' if one.supported else '✗'} {safe(_short(one.sentence, 100))}"
        + ("" if one.supported else f" — {safe(one.problem)}")
        + "</div>"
        for one in answer.checks
    )
    if not answer.sources:
        checks = f"<div style='{_SMALL}'>{say('Nothing relevant was found, so no model was asked.', answer.lang)}</div>"
    if answer.withheld:
        checks = f"<div style='{_SMALL}'>{withheld_html(answer)}</div>"
    cited = f" · {say('cited', answer.lang)}"
    rows = "".join(
        f"<details{' open' if source.cited else ''}><summary>[{source.number}] {safe(source.passage.place)}"
        f"{cited if source.cited else ''}</summary><div style='{_BOX}'>{safe(source.text)}</div></details>"
        for source in answer.sources
    )
    return f"<div class='{PLAIN}'><div style='{_BOX}'>{body}</div>{checks}{rows}</div>"


def trace_html(trace: Trace) -> str:
    """The steps of an answer: what happened in each, and how long it took."""
    names = trace.names()
    lang = trace["question"].data["lang"] if "question" in names else "en"
    rows = [(step.name, step.says, f"{step.seconds * 1000:.1f}") for step in trace]
    out = _table((say("step", lang), say("what happened", lang), "ms"), rows)
    if "clean" in names and trace["clean"].data["changes"]:
        changes = [(f"[{number}]", what) for number, what in trace["clean"].data["changes"]]
        out += _table((say("passage", lang), say("what was changed in it", lang)), changes)
    if "prompt" in names:
        text = "\n\n".join(message.content for message in trace["prompt"].data["messages"])
        out += f"<details><summary>{say('the prompt', lang)}</summary><div style='{_BOX}'>{safe(text)}</div></details>"
    return f"<div class='{PLAIN}'>{out}</div>"


def growth_html(growth: Growth) -> str:
    """What a call of `add` did."""
    rows = [
        (say(name), len(getattr(growth, name)), ", ".join(getattr(growth, name)[:8]))
        for name in ("added", "changed", "removed", "unchanged")
    ]
    rows = [row for row in rows if row[1]]
    caption = say("new passages: {n}, texts embedded: {embedded}", n=growth.passages, embedded=growth.embedded)
    notes = "".join(f"<div style='{_SMALL}'>{safe(note)}</div>" for note in growth.notes)
    table = _table(("", say("files"), say("which")), rows, caption)
    return table + _skipped([(item.source, item.reason) for item in growth.skipped]) + notes


def knowledge_html(kb: KnowledgeBase) -> str:
    """A knowledge base: its documents, how it finds, where it is."""
    passages = list(kb.passages.values())
    of_source = Counter(passage.source for passage in passages)
    documents = kb.documents
    rows = [(d.source, d.title, d.kind, len(d.pages) or "", of_source[d.source], "; ".join(d.notes)) for d in documents]
    path = kb.archive.path
    size = f", {bytes_text(path.stat().st_size)}" if path is not None and path.exists() else ""
    sizes = sorted(p.tokens for p in passages)
    about = f"{count(len(documents), 'documents')}, {count(len(passages), 'passages')}"
    middle = sizes[len(sizes) // 2] if sizes else 0
    about += say(" of {least} to {most} tokens (median {middle})", least=sizes[0], most=sizes[-1], middle=middle) if sizes else ""
    about += f" · {kb._embedder or say('words alone')} · {kb.store} · {path or say('in memory')}{size}"
    notice = f"<div>⚠ {safe(kb.notice)}</div>" if kb.notice else ""
    out = _table([say(name) for name in ("source", "title", "kind", "pages", "passages", "notes")], rows)
    return f"<div class='{PLAIN}'>{notice}<div style='{_SMALL}'>{safe(about)}</div>{out}{_skipped(kb.skipped)}</div>"
