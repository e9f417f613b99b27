"""What the models learn: one function per skill, its share of the training text, and how it is evaluated.

A skill is called with a `Draw` and returns samples that share the beginning of their prompt (most return one). The same Draw
state gives the same samples. A skill whose text file is not there returns none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..sample import Draw, Sample
from . import facts, passages, reading, rules, talk

Skill = Callable[[Draw], list[Sample]]


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Attributes
    ----------
    until : float
        Share of the schedule at which it ends.
    batch_tokens : int
        Tokens of a step, about: many small steps make a model learn to copy, larger ones steady what it knows (see LOG.md).
    shares : dict
        Skill -> its share of the tokens.
    grown : bool
        Whether passages are as many and as long as they get from the first step on.
    prompt_weight : float
        What a token of a prompt weighs in the loss, where one of an answer weighs 1.
    """

    until: float
    batch_tokens: int
    shares: dict[Skill, float]
    grown: bool = False
    prompt_weight: float = 0.03


# First copying and looking up, which all reading builds on; then reading; then everything, as it will be asked.
STAGES = (
    Stage(
        0.08,
        400,
        {
            talk.copying: 34,
            passages.from_relations: 24,
            passages.from_invented_words: 20,
            passages.from_documents: 10,
            facts.course_facts: 5,
            facts.first_words: 4,
            facts.world_facts: 3,
        },
    ),
    Stage(
        0.3,
        700,
        {
            passages.from_documents: 32,
            passages.from_relations: 20,
            passages.from_invented_words: 9,
            talk.copying: 6,
            facts.course_facts: 9,
            facts.first_words: 5,
            facts.world_facts: 4,
            reading.to_json: 4,
            talk.memory: 2.5,
            rules.system_prompt: 2,
            talk.sums: 2.5,
            talk.word_problems: 0.5,
            reading.translation: 1.5,
            reading.mood: 0.5,
            reading.story: 1,
            reading.summary: 1,
        },
    ),
    Stage(
        1.0,
        1000,
        {
            passages.from_documents: 44,
            passages.from_relations: 8,
            passages.from_invented_words: 4,
            talk.copying: 2,
            facts.course_facts: 9,
            facts.first_words: 5,
            facts.world_facts: 5,
            reading.to_json: 3.5,
            talk.memory: 2.5,
            rules.system_prompt: 2.5,
            talk.sums: 5,
            talk.word_problems: 2,
            reading.translation: 3,
            reading.mood: 1.5,
            reading.story: 1.5,
            reading.summary: 1.5,
        },
    ),
)
# What a trained model learns further: to answer from the few sentences that a search gives, and enough of the rest to keep it. What
# has a share of 2 % or less fades (see LOG.md).
FURTHER = (
    Stage(
        1.0,
        1500,
        {
            passages.from_search: 17,
            passages.from_documents: 14,
            passages.from_words: 2.5,
            passages.from_relations: 6,
            passages.about_few: 6,
            passages.from_invented_words: 2,
            talk.copying: 0.7,
            facts.course_facts: 7,
            facts.first_words: 6,
            facts.world_facts: 4,
            reading.to_json: 5,
            talk.memory: 1.5,
            rules.system_prompt: 14,
            talk.sums: 1.5,
            talk.word_problems: 1.5,
            reading.translation: 4,
            reading.mood: 2.5,
            reading.story: 11,
            reading.summary: 2.5,
        },
        grown=True,
        prompt_weight=0.01,
    ),
)
SKILLS: tuple[Skill, ...] = tuple(STAGES[-1].shares)

# Name on the card -> skill, and what is new to the model when it is judged.
EVALUATIONS: dict[str, tuple[Skill, frozenset[str]]] = {
    "questions_new_names": (passages.from_documents, frozenset({"names"})),
    "questions_new_wordings": (passages.from_documents, frozenset({"names", "wordings"})),
    "questions_new_documents": (passages.from_documents, frozenset({"names", "documents"})),
    "questions_new_domains": (passages.from_documents, frozenset({"names", "documents", "domains"})),
    "found_sentences": (passages.from_search, frozenset({"names", "documents", "domains"})),
    "short_facts": (passages.from_relations, frozenset({"names"})),
    "invented_words": (passages.from_invented_words, frozenset({"names"})),
    "first_words": (facts.first_words, frozenset({"wordings"})),
    "course_facts": (facts.course_facts, frozenset({"wordings"})),
    "world_facts": (facts.world_facts, frozenset({"wordings"})),
    "copying": (talk.copying, frozenset({"names"})),
    "sums": (talk.sums, frozenset({"names"})),
    "word_problems": (talk.word_problems, frozenset({"names"})),
    "json": (reading.to_json, frozenset({"names", "wordings"})),
    "story": (reading.story, frozenset({"names", "wordings"})),
    "translation": (reading.translation, frozenset({"wordings"})),
    "translation_new_phrases": (reading.translation, frozenset({"documents"})),
    "mood": (reading.mood, frozenset({"documents"})),
    "system_prompt": (rules.system_prompt, frozenset({"names", "wordings"})),
    "memory": (talk.memory, frozenset({"names"})),
    "summary": (reading.summary, frozenset({"names", "documents"})),
}
