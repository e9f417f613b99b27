"""Packed batches teach what the rows alone would, and a feed of processes gives them without end."""

# ruff: noqa: E402

from random import Random

import pytest

from . import TRAINING, needs

needs(*TRAINING)

import torch

from labkit.zoo.training import batches, packing, tokenizer, train
from labkit.zoo.training.feed import Feed
from labkit.zoo.training.model import Llama
from labkit.zoo.training.sample import Draw, render
from labkit.zoo.training.skills import passages


@pytest.fixture(scope="module")
def words():
    return tokenizer.learn(20, vocabulary=600)


@pytest.fixture(scope="module")
def rows(words):
    stream = batches.Stream(words, 3)
    stream.at(1.0)
    return stream.rows(1.0, 4000)


def test_rows_are_packed_whole_and_close(rows):
    made = packing.pack(rows)
    found = [tuple(ids[numbers == n]) for ids, numbers in zip(made["ids"], made["rows"], strict=True) for n in range(numbers.max() + 1)]
    assert sorted(found) == sorted(tuple(row.ids) for row in rows)
    assert len(made["ids"]) <= 1 + 2 * sum(len(row.ids) for row in rows) // packing.LENGTH


def test_a_packed_batch_has_the_loss_of_its_rows(rows):
    torch.manual_seed(0)
    model = Llama(train.config_of("test"))
    batch = {name: torch.from_numpy(array) for name, array in packing.pack(rows).items()}
    with torch.no_grad():
        loss, of_answers = packing.loss_of(model, batch, packing.seen(batch))
        total = answers = 0.0
        for row in rows:
            alone = batches.collate([row])
            scores = model(alone.ids, alone.positions, alone.mask).flatten(0, 1)
            each = torch.nn.functional.cross_entropy(scores, alone.targets.flatten(), reduction="none")
            total += float((each * alone.weights.flatten()).sum())
            answers += float(each[alone.weights.flatten() == 1].sum())
    count = int((batch["weights"] == 1).sum())
    assert float(loss) == pytest.approx(total / count, rel=1e-3)
    assert float(of_answers) == pytest.approx(answers / count, rel=1e-3)


def test_a_common_beginning_is_encoded_once_and_alike(words):
    for seed in range(30):
        texts = [render(sample.messages) for sample in passages.from_documents(Draw(Random(seed), ("en", "es")[seed % 2]))]
        assert batches.encoded(texts, words) == [words.encode(text, add_special_tokens=False).ids for text in texts]


def test_a_feed_trains(words, tmp_path):
    trainer = train.Trainer(
        train.config_of("test"), words, tmp_path, train.Budget(tokens=25_000), device="cpu", workers=1, batch_tokens=packing.LENGTH
    )
    try:
        trainer.train()
        assert trainer.feed.given == trainer.step >= 12 and 0 < trainer.feed.fresh <= trainer.feed.given
    finally:
        trainer.close()
    assert not any(process.is_alive() for process in trainer.feed.processes)


def test_a_feed_whose_process_ends_says_so():
    feed = Feed(packing.Packer("no tokenizer", 1), 1, torch.device("cpu"))
    try:
        with pytest.raises(RuntimeError, match="has ended"):
            feed.take(0.0)
    finally:
        feed.close()
