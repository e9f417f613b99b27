"""What the models learn: one function per skill, its share of the training text, and how it is evaluated.

A skill is called with a `Draw` and returns samples that share the beginning of their prompt (most return one). The same Draw
state gives the same samples. A skill whose text file is not there returns none.
"""

from __future__ import annotations

from collections.abc import Callable

from ..sample import Draw, Sample
from . import facts, passages, reading, talk

Skill = Callable[[Draw], list[Sample]]

# Skill -> its share of the tokens of training.
SHARES: dict[Skill, float] = {
    passages.from_documents: 22,
    passages.from_relations: 16,
    passages.from_invented_words: 7,
    facts.first_words: 8,
    facts.course_facts: 17,
    facts.world_facts: 6,
    talk.copying: 12,
    talk.sums: 2,
    talk.word_problems: 1,
    talk.system_prompt: 1.5,
    talk.memory: 1.5,
    reading.to_json: 2,
    reading.story: 1.5,
    reading.translation: 2,
    reading.mood: 1,
    reading.summary: 1,
}

# Name on the card -> skill, and what is new to the model when it is judged.
EVALUATIONS: dict[str, tuple[Skill, frozenset[str]]] = {
    "questions_new_names": (passages.from_documents, frozenset({"names"})),
    "questions_new_wordings": (passages.from_documents, frozenset({"names", "wordings"})),
    "questions_new_documents": (passages.from_documents, frozenset({"names", "documents"})),
    "questions_new_domains": (passages.from_documents, frozenset({"names", "documents", "domains"})),
    "short_facts": (passages.from_relations, frozenset({"names"})),
    "invented_words": (passages.from_invented_words, frozenset({"names"})),
    "first_words": (facts.first_words, frozenset({"wordings"})),
    "course_facts": (facts.course_facts, frozenset({"wordings"})),
    "world_facts": (facts.world_facts, frozenset({"wordings"})),
    "copying": (talk.copying, frozenset({"names"})),
    "sums": (talk.sums, frozenset({"names"})),
    "word_problems": (talk.word_problems, frozenset({"names"})),
    "json": (reading.to_json, frozenset({"names", "wordings"})),
    "story": (reading.story, frozenset({"names"})),
    "translation": (reading.translation, frozenset({"wordings"})),
    "translation_new_phrases": (reading.translation, frozenset({"documents"})),
    "mood": (reading.mood, frozenset({"documents"})),
    "system_prompt": (talk.system_prompt, frozenset({"names"})),
    "memory": (talk.memory, frozenset({"names"})),
    "summary": (reading.summary, frozenset({"names", "documents"})),
}
