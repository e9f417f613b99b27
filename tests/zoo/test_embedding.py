"""mini-embed: what it learns from, that it learns, and that llama.cpp computes what PyTorch computes."""

# ruff: noqa: E402

import re
from random import Random

import numpy as np
import pytest

from . import TRAINING, needs

needs(*TRAINING)

import torch

from labkit.backends.registry import load
from labkit.zoo import catalog
from labkit.zoo.training import texts
from labkit.zoo.training.__main__ import main
from labkit.zoo.training.embedding import evaluate, export, model, tokenizer, train
from labkit.zoo.training.embedding.pairs import filled, from_echoes, from_sentences, pairs
from labkit.zoo.training.sample import Draw
from labkit.zoo.training.train import Budget

TEXTS = ["¿Cuándo abre la biblioteca de Zanrupe?", "The library opens at 9:30, on 12 May.", "niño, pingüino — «bien»", "K7-204"]


@pytest.fixture(scope="module")
def words():
    return tokenizer.learn(samples=30, vocabulary=1500)


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    """An embedding model that has learned a little, and its file."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("embedding")
    config = model.Config(width=64, layers=1, inner=64, head=32, vocabulary=words.get_vocab_size())
    trainer = train.Trainer(config, words, folder, Budget(tokens=300_000), device="cpu")
    trainer.train(report_every=0.5)
    export.to_gguf(folder / "checkpoint.pt", words, folder / "mini.gguf", "mini")
    return trainer, folder / "mini.gguf"


def test_pairs_are_the_same_for_the_same_seed():
    for lang in ("en", "es"):
        assert pairs(Draw(Random(3), lang), 64) == pairs(Draw(Random(3), lang), 64)


def test_pair_holds_its_subject_on_both_sides():
    found = [pair for seed in range(20) for pair in pairs(Draw(Random(seed), "en"), 32) if not pair.source.startswith("frame")]
    assert all(pair.subject.lower() in pair.passage.lower() for pair in found)
    assert sum(bool(pair.subject) for pair in found) > len(found) / 4


@pytest.mark.parametrize("lang", ["en", "es"])
def test_sentences_of_one_document_are_counterexamples_of_each_other(lang):
    found = [from_sentences(Draw(Random(seed), lang)) for seed in range(60)]
    several = [few for few in found if len(few) > 1]
    assert len(several) > 30
    for few in several:
        assert len({pair.source for pair in few}) == 1
        assert len({pair.part for pair in few}) == len({pair.passage for pair in few}) == len(few) and all(pair.part for pair in few)


def test_an_echo_asks_with_words_of_its_passage():
    found = [pair for seed in range(60) for pair in from_echoes(Draw(Random(seed), "en"))]
    own = [sum(word in pair.passage for word in re.findall(r"\w{4,}|\d+", pair.query)) for pair in found]
    assert len(found) > 50 and sum(count > 0 for count in own) > 0.95 * len(found)


def test_values_are_the_same_in_both_languages():
    document = texts.all_documents()[0]
    values = filled(Draw(Random(1), "en"), document)
    for slot, kind in document.slots.items():
        if kind in ("town", "person", "time", "code", "first"):
            assert values["en"][slot] == values["es"][slot]


def test_only_the_same_source_without_its_own_subject_is_unfair():
    source, subject, none = torch.tensor([1, 1, 2, 1]), torch.tensor([5, 6, 5, 0]), torch.zeros(4)
    assert train.unfair(source, subject, none).nonzero().tolist() == [[3, 0], [3, 1]]
    assert train.unfair(source, subject, torch.tensor([7, 8, 8, 8])).nonzero().tolist() == [[3, 1]]


def test_training_lowers_the_loss_on_new_pairs(trained):
    trainer, _ = trained
    found = (trainer.folder / "log.jsonl").read_text().splitlines()
    assert trainer.budget.progress == 1 and found
    again = train.Trainer(trainer.config, trainer.tokenizer, trainer.folder, Budget(tokens=300_000), device="cpu")
    assert again.resume() and again.step == trainer.step
    torch.manual_seed(1)
    fresh = model.Bert(trainer.config)
    batches = [pairs(Draw(Random(seed), ("en", "es")[seed % 2]), 64) for seed in range(90, 98)]
    losses = []
    for network in (fresh, trainer.model):
        trainer.model = network
        found = []
        for batch in batches:
            with torch.no_grad():
                scores = trainer.vectors([p.query for p in batch]) @ trainer.vectors([p.passage for p in batch]).T
            found.append(float(torch.nn.functional.cross_entropy(scores / train.TEMPERATURE, torch.arange(64))))
        losses.append(sum(found) / len(found))
    assert losses[1] < 0.95 * losses[0], losses


def test_llama_cpp_embeds_as_torch_does(trained, words):
    trainer, file = trained
    with torch.no_grad():
        state = torch.load(trainer.folder / "checkpoint.pt", weights_only=False)["model"]
        trainer.model = model.Bert(trainer.config)
        trainer.model.load_state_dict(state)
        ours = trainer.vectors(TEXTS).numpy()
    with load(str(file)) as engine:
        theirs = engine.embed(TEXTS)
    assert np.sum(ours * theirs, axis=1).min() > 0.999


def test_a_file_is_read_back_to_train_it_further(trained, words):
    trainer, file = trained
    config, weights, theirs = export.from_gguf(file)
    assert config == trainer.config and theirs.get_vocab() == words.get_vocab()
    assert [theirs.encode(text).ids for text in TEXTS] == [words.encode(text).ids for text in TEXTS]
    own = trainer.model.state_dict()
    assert set(weights) == set(own)
    assert all(torch.allclose(weights[name].float(), own[name], atol=2e-3, rtol=1e-2) for name in own)


def test_the_shipped_model_is_trained_further(tmp_path, capsys):
    common = ["--model", "mini-embed", "--start", "mini-embed", "--folder", str(tmp_path)]
    main(["tokenizer", *common])
    main(["train", "--tokens", "3000", "--device", "cpu", "--threads", "1", "--muon", "--rate", "0.0001", *common])
    main(["export", "--out", str(tmp_path / "out.gguf"), *common])
    told = capsys.readouterr().out
    assert f"'tokens': {catalog.card('mini-embed').trained['tokens']}" not in told and "H100" in told
    with load("mini-embed") as before, load(str(tmp_path / "out.gguf")) as after:
        assert (np.sum(before.embed(TEXTS) * after.embed(TEXTS), 1) > 0.95).all()  # a step or two from where it was
    with pytest.raises(SystemExit, match="of two kinds"):
        main(["tokenizer", "--model", "mini-embed", "--start", "mini-s", "--folder", str(tmp_path)])


def test_questions_ask_for_their_passage():
    passages, asked, wanted = evaluate.questions("en", "en", 100)
    assert len(passages) == len(texts.all_documents()) and len(asked) == 100
    assert all(passages[number] == pair.passage for pair, number in zip(asked, wanted, strict=True))
    assert len({pair.query for pair in asked}) > 80
    crossed = evaluate.questions("es", "en", 20)
    assert crossed[0] == passages


def test_figures_of_a_file(trained):
    scores = evaluate.skills_of(trained[1], 60)
    assert {"recall_at_1", "bm25_recall_at_5", "across_recall_at_1", "other_words_recall_at_5"} <= set(scores)
    assert scores["bm25_recall_at_5"]["en"]["right"] >= scores["bm25_recall_at_1"]["en"]["right"] > 0
    assert scores["recall_at_1"]["es"]["n"] == 60


def test_commands_go_from_nothing_to_a_file(tmp_path, capsys):
    common = ["--model", "test-embed", "--folder", str(tmp_path)]
    main(["tokenizer", "--samples", "10", *common])
    main(["train", "--tokens", "6000", "--device", "cpu", *common])
    main(["train", "--tokens", "6000", "--device", "cpu", *common])
    main(["export", "--out", str(tmp_path / "out.gguf"), *common])
    main(["evaluate", "--samples", "20", "--out", str(tmp_path / "out.gguf"), *common])
    assert "goes on at step" in capsys.readouterr().out
    with load(str(tmp_path / "out.gguf")) as engine:
        assert engine.embed("hello").shape == (1, 64)


def test_training_without_a_budget_says_what_to_give(tmp_path):
    with pytest.raises(SystemExit, match="--minutes"):
        main(["train", "--model", "mini-embed", "--folder", str(tmp_path)])
