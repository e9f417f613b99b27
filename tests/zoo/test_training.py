"""From nothing to a GGUF file that loads and answers, in well under two minutes on a processor."""

# ruff: noqa: E402

import json
from functools import partial
from pathlib import Path
from random import Random

import pytest

from . import TRAINING, needs

needs(*TRAINING)
llama_cpp = pytest.importorskip("llama_cpp")

import torch
from jinja2 import Environment

from labkit import prompts
from labkit.chat import Message, message_dicts
from labkit.zoo import catalog
from labkit.zoo.merging import merge
from labkit.zoo.training import batches, device, evaluate, export, lora, optimizer, tokenizer, train
from labkit.zoo.training.__main__ import main
from labkit.zoo.training.model import CONFIGS, Llama, attend
from labkit.zoo.training.sample import Draw, render
from labkit.zoo.training.skills import FURTHER, SKILLS, Stage, facts, passages, reading, talk

TEXTS = [
    "Hello, world! It opens at 9:30 on 12 May 2026.",
    "¿Cuánto cuestan 3,50 euros más 12? ¡Nada! Año, niño, pingüino.",
    '  two spaces\n\n12 lines\n\n\nand {"json": [1, 2]} 100 % — «bien» 😀',
    "[1] Lucía's code is K7-204.\n[2] don't  stop",
]


@pytest.fixture(scope="module")
def words():
    return tokenizer.learn(samples=40)


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    """A tiny model that has learned little, as a checkpoint and as GGUF."""
    torch.set_num_threads(1)  # quicker for so small a model
    folder = tmp_path_factory.mktemp("training")
    stages = [Stage(1, 600, {talk.sums: 1, facts.first_words: 1, passages.from_relations: 1})]
    trainer = train.Trainer(CONFIGS["test"], words, folder, train.Budget(tokens=60_000), device="cpu", stages=stages)
    trainer.train(report_every=0.2)
    out = folder / "test.gguf"
    export.to_gguf(folder / "checkpoint.pt", words, out, "test")
    return trainer, folder, out


def test_render_is_the_chat_template():
    messages = [Message("system", "Be kind."), Message("user", "Hola\nque tal"), Message("assistant", "Bien"), Message("user", "2 + 2?")]
    template = Environment().from_string(prompts.CHAT_TEMPLATE)
    assert render(messages) == template.render(messages=message_dicts(messages), add_generation_prompt=True)


def test_training_lowers_the_loss_and_ends_slowly(trained):
    trainer, folder, _ = trained
    losses = [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] - 1
    assert trainer.budget.progress == 1
    assert train.rate(trainer.step, 0.999) < 0.01


def test_exported_file_loads_and_answers(trained):
    _, _, out = trained
    player = evaluate.Player(out, threads=1)
    reply = player.llama.create_chat_completion([{"role": "user", "content": "Hello"}], max_tokens=8, temperature=0)
    assert isinstance(reply["choices"][0]["message"]["content"], str)
    assert player.llama.metadata["llama.context_length"] == "1024"
    assert player.llama.metadata["tokenizer.chat_template"] == prompts.CHAT_TEMPLATE


def test_tokens_are_the_same_in_llama_cpp(trained, words):
    llama = llama_cpp.Llama(str(trained[2]), vocab_only=True, verbose=False)
    samples = [render(s.messages) + s.answer for skill in SKILLS for s in skill(Draw(Random(3), "es"))]
    for text in TEXTS + samples:
        ids = words.encode(text, add_special_tokens=False).ids
        assert llama.tokenize(text.encode(), add_bos=False, special=True) == ids
        assert words.decode(ids, skip_special_tokens=False) == text


def test_exported_file_can_be_trained_further(trained, words):
    trainer, _, out = trained
    config, weights, again = export.from_gguf(out)
    assert config == CONFIGS["test"]
    assert set(weights) == set(trainer.model.state_dict())
    for name, weight in trainer.model.state_dict().items():
        assert torch.allclose(weights[name], weight, atol=1e-3), name
    for text in TEXTS:
        assert again.encode(text, add_special_tokens=False).ids == words.encode(text, add_special_tokens=False).ids


def test_training_further_begins_with_the_weights_and_goes_on_gently(trained, words, tmp_path):
    config, weights, _ = export.from_gguf(trained[2])
    made = []
    for _ in range(2):  # the second goes on with the checkpoint of the first
        again = train.Trainer(config, words, tmp_path, train.Budget(tokens=4000), device="cpu", stages=FURTHER)
        again.start_from(weights, tokens=60_000, seconds=9.0, machine="an abacus, then " + device.described(torch.device("cpu")))
        made.append(again)
        assert all(type(optimizer) is torch.optim.AdamW for optimizer in again.optimizers)
        if len(made) == 1:
            assert all(torch.equal(again.model.state_dict()[name], weight) for name, weight in weights.items())
            again.train()
    assert made[1].resume() and made[1].budget.progress == 1 and made[1].before["tokens"] == 60_000
    moved = max(float((made[1].model.state_dict()[name] - weight).abs().max()) for name, weight in weights.items())
    assert 0 < moved < 0.1
    for keep, name in ((0.25, "some"), (1.0, "all")):
        figures = export.to_gguf(tmp_path / "checkpoint.pt", words, tmp_path / f"{name}.gguf", "test", weights, keep)
        assert figures["machine"] == "an abacus, then " + device.described(torch.device("cpu")) and figures["tokens"] > 60_000
        for tensor, weight in export.from_gguf(tmp_path / f"{name}.gguf")[1].items():
            wanted = keep * weights[tensor] + (1 - keep) * made[1].model.state_dict()[tensor]
            assert torch.allclose(weight, wanted, atol=1e-3), tensor


def test_checkpoints_are_averaged(trained, words, tmp_path):
    last = trained[1] / "checkpoint.pt"
    state = torch.load(last, map_location="cpu", weights_only=False)
    for name, factor in (("double", 2.0), ("none", 0.0)):
        torch.save(state | {"model": {key: factor * weight for key, weight in state["model"].items()}}, tmp_path / f"{name}.pt")
    earlier = [tmp_path / "double.pt", tmp_path / "none.pt"]  # 1, 2 and 0 times the weights: their mean is the first
    export.to_gguf(last, words, tmp_path / "mean.gguf", "test", average=earlier)
    mean = export.from_gguf(tmp_path / "mean.gguf")[1]
    assert all(torch.allclose(mean[key], weight.float(), atol=1e-2) for key, weight in state["model"].items() if key in mean)
    export.to_gguf(last, words, tmp_path / "half.gguf", "test", average=earlier[1:])
    half = export.from_gguf(tmp_path / "half.gguf")[1]["norm.weight"]
    assert torch.allclose(half, state["model"]["norm.weight"].float() / 2)


def test_training_further_with_muon(trained, words, tmp_path):
    config, weights, _ = export.from_gguf(trained[2])
    again = train.Trainer(config, words, tmp_path, train.Budget(tokens=4000), device="cpu", stages=FURTHER)
    again.start_from(weights, using=optimizer.thorough)
    assert [type(chosen) for chosen in again.optimizers] == [optimizer.Muon, torch.optim.AdamW]
    assert again.heights == [0.0025, 0.000625]
    again.train()
    matrix = "blocks.0.feed.up.weight"
    assert 0 < float((again.model.state_dict()[matrix] - weights[matrix]).abs().max()) < 0.1


def test_an_adapter_is_trained_beside_weights_that_stay(trained, words, tmp_path):
    config, weights, _ = export.from_gguf(trained[2])
    stages = [Stage(1, 400, {reading.translation: 1})]  # new to it
    again = train.Trainer(config, words, tmp_path, train.Budget(tokens=80_000), device="cpu", stages=stages)
    again.start_from(weights, using=partial(lora.attach, rank=4))
    batch = next(batches.Stream(words, 1, stages).batches(0.0))

    def loss():
        wanted = batch.weights == 1
        with torch.no_grad():
            scores = again.model(batch.ids, batch.positions, batch.mask, wanted)
        return float(torch.nn.functional.cross_entropy(scores, batch.targets[wanted]))

    before = loss()
    again.train()
    assert loss() < before - 0.2
    state = again.model.state_dict()
    frozen = {name.replace(".whole.", "."): weight for name, weight in state.items()}
    assert all(torch.equal(frozen[name], weight) for name, weight in weights.items())
    figures = lora.to_gguf(tmp_path / "checkpoint.pt", tmp_path / "adapter.gguf", "test")
    assert figures["tokens"] == again.tokens and (tmp_path / "adapter.gguf").stat().st_size < trained[2].stat().st_size / 4
    merge(trained[2], tmp_path / "adapter.gguf", tmp_path / "merged.gguf")
    ids = words.encode(render([Message("user", "¿Cuánto es 12 + 30?")]), add_special_tokens=False).ids
    llama = llama_cpp.Llama(str(tmp_path / "merged.gguf"), n_ctx=128, logits_all=True, verbose=False)
    llama.eval(ids)
    with torch.no_grad():
        ours = again.model(torch.tensor([ids]))[0]
    assert torch.allclose(ours, torch.tensor(llama.scores[: len(ids)]), atol=0.05)


def test_the_mean_of_adapters_adds_the_mean_of_what_they_add():
    torch.manual_seed(0)
    one, other = ({"q.a": torch.randn(rank, 6), "q.b": torch.randn(5, rank), "q.whole.weight": torch.zeros(5, 6)} for rank in (2, 3))
    mean = lora.averaged([one, other])
    assert set(mean) == {"q.a", "q.b"} and len(mean["q.a"]) == 5
    assert torch.allclose(mean["q.b"] @ mean["q.a"], (one["q.b"] @ one["q.a"] + other["q.b"] @ other["q.a"]) / 2, atol=1e-5)


@pytest.mark.parametrize("wrong", [[], ["--start", "mini-m", "--muon"], ["--start", "mini-embed", "--model", "mini-embed"]])
def test_an_adapter_of_nothing_is_refused(wrong, tmp_path):
    with pytest.raises(SystemExit, match="--lora is for a chat model"):
        main(["train", "--lora", "4", "--tokens", "100", *wrong, "--folder", str(tmp_path)])


def test_an_adapter_of_a_shipped_model_takes_one_command(tmp_path, capsys):
    main(["train", "--start", "mini-s", "--model", "mini-s", "--lora", "2", "--tokens", "3000", "--folder", str(tmp_path)])
    main(["export", "--model", "mini-s", "--lora", "2", "--folder", str(tmp_path), "--out", str(tmp_path / "adapter.gguf")])
    merge(catalog.WEIGHTS / catalog.card("mini-s").file, tmp_path / "adapter.gguf", tmp_path / "merged.gguf")
    assert "progress 1.0" in capsys.readouterr().out and (tmp_path / "merged.gguf").is_file()


@pytest.mark.parametrize(
    ("step", "said"),
    [(["train", "--tokens", "100"], "no tokenizer"), (["export", "--out", "x.gguf"], "no checkpoint")],
    ids=["train", "export"],
)
def test_a_step_that_is_missing_is_named(step, said, tmp_path):
    with pytest.raises(SystemExit, match=said):
        main([*step, "--model", "test", "--folder", str(tmp_path)])


@pytest.mark.parametrize(
    "wrong", [["--keep", "1.5", "--start", "mini-m"], ["--keep", "0.2"], ["--keep", "0.2", "--start", "mini-m", "--model", "mini-embed"]]
)
def test_a_share_of_nothing_is_refused(wrong, tmp_path):
    with pytest.raises(SystemExit, match="--keep is a share"):
        main(["export", *wrong, "--out", str(tmp_path / "x.gguf")])


def test_a_grown_stage_has_long_contexts_from_the_start(words):
    short, long = (
        batches.Stream(words, 0, [Stage(1, 700, {passages.from_documents: 1}, grown=grown)]).rows(0.0, 20_000) for grown in (False, True)
    )
    short_mean, long_mean = (sum(len(row.ids) for row in rows) / len(rows) for rows in (short, long))
    assert long_mean > 1.5 * short_mean


def test_stages_follow_one_another(words):
    stages = [Stage(0.5, 300, {talk.copying: 1}), Stage(1, 900, {talk.sums: 1})]
    stream = batches.Stream(words, 0, stages)
    for progress, stage in ((0.0, stages[0]), (0.49, stages[0]), (0.5, stages[1]), (1.0, stages[1])):
        assert max(batch.ids.numel() for batch in stream.batches(progress)) <= stage.batch_tokens
        assert set(stream.spent) == set(stage.shares)


@pytest.mark.parametrize("weight", [0.01, 0.2])
def test_a_prompt_teaches_as_much_as_its_stage_says(words, weight):
    rows = batches.Stream(words, 0, [Stage(1, 700, {passages.from_relations: 1}, prompt_weight=weight)]).rows(0.5, 20_000)
    of_prompts = [one for row in rows for one in row.weights if one != 1]
    assert sum(of_prompts) / len(of_prompts) == pytest.approx(weight, rel=0.1)


def test_tokens_of_a_step_are_those_asked_for(words, tmp_path):
    trainer = train.Trainer(train.config_of("test"), words, tmp_path, train.Budget(tokens=1), batch_tokens=1600)
    assert {stage.batch_tokens for stage in trainer.stream.stages} == {1600}
    assert 800 < max(batch.ids.numel() for batch in trainer.stream.batches(0.0)) <= 1600


def test_shipped_matrices_have_the_precision_of_the_training(trained):
    _, weights, _ = export.from_gguf(trained[2])
    assert all(torch.equal(weight, weight.bfloat16().float()) for weight in weights.values() if weight.ndim == 2)


def test_llama_cpp_computes_what_torch_computes(trained, words):
    trainer, _, out = trained
    ids = words.encode(render([Message("user", "¿Cuánto es 12 + 30?")]), add_special_tokens=False).ids
    llama = llama_cpp.Llama(str(out), n_ctx=128, logits_all=True, verbose=False)
    llama.eval(ids)
    with torch.no_grad():
        ours = trainer.model(torch.tensor([ids]))[0]
    theirs = torch.tensor(llama.scores[: len(ids)])
    assert torch.allclose(ours, theirs, atol=0.05)


def test_branches_are_read_as_if_alone(words):
    torch.manual_seed(0)
    model = Llama(CONFIGS["test"]).eval()
    samples = next(s for seed in range(99) if len(s := passages.from_relations(Draw(Random(seed), "en"))) > 2)
    together = batches.collate([batches.row(samples, words, Random(0))])
    with torch.no_grad():
        joint = model(together.ids, together.positions, together.mask)[0][together.weights[0] == 1]
        apart = []
        for sample in samples:
            alone = batches.collate([batches.row([sample], words, Random(0))])
            assert alone.mask is None
            apart.append(model(alone.ids)[0][alone.weights[0] == 1])
    assert torch.allclose(joint, torch.cat(apart), atol=1e-4)


def test_training_goes_on_from_its_checkpoint(trained, words):
    trainer, folder, _ = trained
    again = train.Trainer(CONFIGS["test"], words, folder, train.Budget(tokens=60_000), device="cpu", stages=trainer.stream.stages)
    assert again.resume()
    assert (again.step, again.tokens, again.budget.progress) == (trainer.step, trainer.tokens, 1)
    for ours, theirs in zip(again.model.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_paused_training_keeps_its_schedule(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(train.time, "monotonic", lambda: now[0])
    budget = train.Budget(minutes=1)
    budget.start()
    for step in range(200):
        seconds = 30.0 if step == 20 else 0.5
        now[0] += seconds
        before = budget.progress
        budget.spend(seconds, 100)
        assert budget.progress - before < 0.5
    assert budget.progress == 1


def test_attention_in_bfloat16_is_that_of_pytorch():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 50, 32)
    some = torch.zeros(2, 1, 50, 50).masked_fill(torch.ones(50, 50, dtype=torch.bool).triu(3), -torch.inf)
    for mask in (None, some):
        exact = attend(q, k, v, mask)
        rounded = attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask)
        assert rounded.dtype == torch.bfloat16
        assert torch.allclose(rounded.float(), exact, atol=0.05)


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="no list of what the processor can do")
def test_bfloat16_is_used_where_the_processor_has_it():
    can = set(Path("/proc/cpuinfo").read_text().split())
    assert device.has_bfloat16(torch.device("cpu")) is bool(can & {"avx512_bf16", "amx_bf16"})


def test_orthogonal_makes_directions_alike():
    torch.manual_seed(0)
    for shape in ((2, 64, 64), (2, 64, 128), (2, 128, 64)):
        sizes = torch.linalg.svdvals(optimizer.orthogonal(torch.randn(shape)))
        assert sizes.max() < 1.3
        assert sizes.median() > 0.6


def test_commands_go_from_nothing_to_figures(tmp_path, capsys):
    common = ["--model", "test", "--folder", str(tmp_path)]
    out = tmp_path / "test.gguf"
    main(["tokenizer", "--samples", "20", *common])
    main(["train", "--tokens", "6000", "--device", "cpu", *common])
    main(["train", "--tokens", "6000", "--device", "cpu", *common])
    main(["export", "--out", str(out), *common])
    assert torch.load(tmp_path / "test" / "checkpoint.pt", weights_only=False)["before"] == {"tokens": 0, "seconds": 0.0, "machine": ""}
    main(["evaluate", "--samples", "1", "--out", str(out), *common])
    printed = capsys.readouterr().out
    assert "goes on at step" in printed
    assert "first_words" in printed
    assert "not_there" in printed


def test_training_without_a_budget_says_what_to_give(tmp_path):
    with pytest.raises(SystemExit, match="--minutes"):
        main(["train", "--model", "test", "--folder", str(tmp_path)])
