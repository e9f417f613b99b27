from __future__ import annotations

import pytest

from labkit import prompts
from labkit.errors import OptionError


@pytest.mark.parametrize("lang", prompts.LANGUAGES)
def test_passages_are_numbered_once_and_the_question_comes_last(lang):
    (message,) = prompts.with_passages("  ¿Cuándo?  ", ["First\nline.", "Second."], lang)
    assert message.role == "user" and message.content.endswith("\n\n¿Cuándo?")
    assert "[1] First line." in message.content and "[2] Second." in message.content
    assert prompts.NO_ANSWER[lang] in message.content


def test_another_language_is_refused():
    with pytest.raises(OptionError, match="'fr'"):
        prompts.with_passages("Quand ?", [], "fr")


def test_chat_template_renders_chatml():
    import jinja2

    text = jinja2.Template(prompts.CHAT_TEMPLATE).render(messages=[{"role": "user", "content": "Hi"}], add_generation_prompt=True)
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
