"""Text to numbers and back: a byte-level BPE learned from our own text, as GPT-2 has it.

Digits never merge, so that the model sees the digits of a sum one by one. The splitting rule is GPT-2's own, which llama.cpp calls
`gpt-2`: both give the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .sample import END, START, Draw
from .skills import SKILLS

VOCABULARY = 2048
END_OF_TEXT = "<|endoftext|>"
SPECIAL = (END_OF_TEXT, START, END)


def corpus(samples: int, seed: int) -> Iterator[str]:
    """Text of every skill in both languages, to learn the vocabulary from."""
    random = Random(seed)
    for number in range(samples):
        for skill in SKILLS:
            for sample in skill(Draw(random, ("en", "es")[number % 2], progress=0.4))[:1]:
                yield "\n".join(m.content for m in sample.messages) + "\n" + sample.answer


def learn(samples: int = 1500, seed: int = 1, vocabulary: int = VOCABULARY) -> Tokenizer:
    """Learn a tokenizer.

    Parameters
    ----------
    samples : int
        Samples of each skill to learn from.
    seed : int
    vocabulary : int
        Number of tokens, special ones and the 256 bytes included.
    """
    tokenizer = Tokenizer(models.BPE())
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), by_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus(samples, seed), trainer)
    # No merge holds a digit now, so GPT-2's rule alone keeps them apart as well, and llama.cpp knows that rule.
    tokenizer.pre_tokenizer = by_bytes
    return tokenizer


def of(tokens: list[str], merges: list[str]) -> Tokenizer:
    """The tokenizer of a vocabulary and its merges, as a GGUF file holds them."""
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=pairs))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return tokenizer


def load(file: Path) -> Tokenizer:
    """Read a tokenizer that `save` of the tokenizers package wrote."""
    return Tokenizer.from_file(str(file))
