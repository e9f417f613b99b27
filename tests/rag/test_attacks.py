"""Documents that attack: none becomes markup in a display or a control token in a prompt, and honest ones are left alone."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest

import labkit as lab
from labkit.chat import Options, Reply
from labkit.rag import KnowledgeBase, answer, hidden

from .attacks import ATTACKS, BENIGN, HONEST, QUESTION

SPOILT_AT_MOST = 2
PASSIVE = {
    "details",
    "summary",
    "div",
    "span",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "b",
    "br",
    "i",
    "em",
    "strong",
    "p",
    "pre",
    "ol",
    "ul",
    "li",
    "mark",
    "small",
    "sup",
    "h3",
    "h4",
}


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def controls(model, tmp_path_factory):
    """The control tokens of a prompt over honest documents: what the chat template writes."""
    return control_tokens(model, messages_of(knowledge(tmp_path_factory.mktemp("honest")), model))


def knowledge(folder, attack=None, **options):
    for name, text in HONEST.items():
        (folder / name).write_text(text, encoding="utf-8")
    if attack is not None:
        try:
            attack.write(folder)
        except OSError as error:  # a file system that refuses the name, or links
            pytest.skip(f"this machine cannot write the attack: {error}")
    return KnowledgeBase.from_folder(folder, embedder=None, **options)


def messages_of(kb, model):
    return answer.prepare(QUESTION, kb.search(QUESTION), model, "en").messages


def control_tokens(model, messages):
    prompt = model._prompter.prompt(messages, None, Options())
    return [token for token in prompt.ids if model._engine.is_control(token)]


class _Active(HTMLParser):
    """Whatever in a page does more than show text."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        style = names.get("style") or ""
        if tag not in PASSIVE or "url(" in style or "@import" in style or any(n.startswith("on") or n in ("href", "src") for n in names):
            self.found.append((tag, names))


def active(page):
    parser = _Active()
    parser.feed(page)
    parser.close()
    return parser.found


def shown(kb, asked):
    """Everything that a notebook can show of a knowledge base and of an answer."""
    things = [kb, asked, asked.trace, kb.search(QUESTION), *list(kb.passages.values())[:20], *kb.documents[:20]]
    things += [thing for thing in (asked.reply, asked.sent) if thing is not None]
    for thing in things:
        bundle = thing._repr_mimebundle_() if hasattr(thing, "_repr_mimebundle_") else {"text/html": thing._repr_html_()}
        bundle = bundle[0] if isinstance(bundle, tuple) else bundle
        assert set(bundle) <= {"text/html", "text/plain", "image/png"}, "Markdown and LaTeX would be rendered"
        yield bundle.get("text/html", "")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.kind}-{attack.name}")
def test_attack_stays_text_on_the_screen_and_in_the_prompt(attack, model, controls, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    with knowledge(folder, attack) as kb:
        hits = kb.search(QUESTION)
        assert any("5206" in passage.text for passage in kb.passages.values()), "the honest documents are still there"
        if attack.kind == "file":
            assert {document.source for document in kb.documents} == set(HONEST), "the rest goes on"
            named = [reason for source, reason in kb.skipped if source.startswith("attack")]
            assert all(named) and len(named) == (attack.name != "link-to-a-folder")  # such a link is not entered, and no file itself
        assert all("secret" not in passage.source for passage in kb.passages.values()), "nothing from outside the folder"
        prepared = answer.prepare(QUESTION, hits, model, "en")
        assert control_tokens(model, prepared.messages) == controls
        # Where the engine is a server that may read names as tokens, no name is left to read.
        for text in answer.clean([hit.passage for hit in hits], keeps_text=False)[0]:
            assert not hidden.controls(text) and not hidden.find(text)
            assert not any(map(model._engine.is_control, model._engine.tokenize(text, special=True)))
        # The worst answer: one that repeats everything it was told.
        said = "\n".join(hit.text for hit in hits)
        worst = answer.finish(prepared, Reply(said, "mini-m", "stop"))
        for page in shown(kb, worst):
            assert not active(page)
        for plain in (str(worst), repr(worst.trace), str(kb.skipped)):
            assert "\x1b" not in plain and "\u202e" not in plain and "\u200b" not in plain


def test_honest_documents_reach_the_model_as_they_are(model, tmp_path):
    spoilt = {}
    for name, text in BENIGN.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    with KnowledgeBase.from_folder(tmp_path, embedder=None, size=400) as kb:
        passages = {passage.source.removesuffix(".txt"): passage for passage in kb.passages.values()}
        assert not kb.skipped and len(passages) == len(kb.passages) == len(BENIGN) == 50
        for name, text in BENIGN.items():
            got = answer.clean([passages[name], *list(passages.values())[:3]], model.keeps_text)[0][0]  # four passages, as by default
            page = passages[name]._repr_html_()
            if passages[name].text != text or got != text or html.escape(hidden.visible(text), quote=True) not in page:
                spoilt[name] = got
    print(f"{len(spoilt)} of {len(BENIGN)} honest documents spoilt: {spoilt}")
    assert len(spoilt) <= SPOILT_AT_MOST, spoilt
