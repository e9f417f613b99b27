"""Words to numbers for mini-embed: WordPiece without capitals and accents, as BERT has it and llama.cpp reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from .. import texts
from ..sample import Draw
from .pairs import pairs

VOCABULARY = 4096
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, CLS, SEP = 0, 2, 3


def corpus(samples: int, seed: int) -> Iterator[str]:
    """Text of pairs in both languages, and every phrase, to learn the vocabulary from."""
    random = Random(seed)
    for number in range(samples):
        for pair in pairs(Draw(random, ("en", "es")[number % 2]), 16):
            yield f"{pair.query} {pair.passage}"
    for name in ("pair", "word"):
        for item in texts.items("phrases", name):
            yield f"{item['en']} {item['es']}"


def learn(samples: int = 1500, seed: int = 1, vocabulary: int = VOCABULARY) -> Tokenizer:
    """Learn a tokenizer from so many times sixteen pairs."""
    tokenizer = of([])
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(corpus(samples, seed), trainer)
    return tokenizer


def of(tokens: Sequence[str]) -> Tokenizer:
    """The tokenizer of a vocabulary, its tokens in order; none yet for one that is to be learned."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]") if tokens else models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)])
    if tokens:
        tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer
