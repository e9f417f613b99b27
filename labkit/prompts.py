"""The prompt formats: what the shipped models are trained on, and what retrieval, lessons and evaluation send.

Training imports these functions, so that the models meet in use exactly the text that they learned from. Changing a string here
means training the models again.
"""

from __future__ import annotations

from collections.abc import Sequence

from .chat import Message
from .errors import OptionError

LANGUAGES = ("en", "es")

# ChatML, as Qwen and many others use it; Ollama recognizes it by itself.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

INSTRUCTIONS = {
    "en": "Answer from these passages and cite the one you used, like [1]. If they do not say, answer: {no_answer}",
    "es": "Responde con estos pasajes y cita el que uses, así: [1]. Si no lo dicen, responde: {no_answer}",
}
NO_ANSWER = {"en": "The passages do not say.", "es": "Los pasajes no lo dicen."}


def language(lang: str) -> str:
    """Check a language code: 'en' or 'es'.

    Raises
    ------
    OptionError
        For any other code.
    """
    if lang not in LANGUAGES:
        raise OptionError(f"lang={lang!r} is not a language of this course.", fix="Use 'en' or 'es'.")
    return lang


def passage_block(passages: Sequence[str]) -> str:
    """Number the passages, one a line, starting with 1."""
    return "\n".join(f"[{n}] {' '.join(passage.split())}" for n, passage in enumerate(passages, 1))


def with_passages(question: str, passages: Sequence[str], lang: str = "en") -> list[Message]:
    """The messages of a question over numbered passages.

    Parameters
    ----------
    question : str
        The question, in the language `lang`.
    passages : sequence of str
        The passages, best first or in any order; numbered from 1. Line breaks inside a passage become spaces.
    lang : {'en', 'es'}
        Language of the instruction and of the sentence that says "not there".

    Returns
    -------
    list of Message
        One user message: instruction, passages, question.
    """
    instruction = INSTRUCTIONS[language(lang)].format(no_answer=NO_ANSWER[lang])
    return [Message("user", f"{instruction}\n\n{passage_block(passages)}\n\n{question.strip()}")]
