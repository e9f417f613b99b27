"""No call is lost and none is made twice, whatever happens to the process, the disk or the log."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import labkit as lab
from labkit import settings
from labkit.backends.registry import load
from labkit.chat import Options, as_messages
from labkit.errors import OptionError
from labkit.experiments.runlog import RunLog, identity, key_of, lines
from labkit.zoo import catalog

NAME = next(name for name in catalog.names() if catalog.card(name).kind == "chat")
SETTINGS = {"temperature": [0.5, 1.0], "top_k": [0, 20], "repeats": 10, "max_tokens": 12}
TOTAL = 40


@pytest.fixture(scope="module")
def model():
    with load(NAME) as model:
        yield model


def swept(model, log, **more):
    calls = []
    found = lab.sweep(model, "Hello!", log=log, progress=calls.append, perplexity=False, **SETTINGS | more)
    return found, calls


@pytest.mark.parametrize("together", [False, True])
def test_killed_sweep_goes_on_without_losing_or_repeating_a_call(model, tmp_path, together):
    log = tmp_path / "run.jsonl"
    code = (
        "import sys, time, labkit as lab\n"
        f"lab.sweep({NAME!r}, 'Hello!', log=sys.argv[1], progress=lambda p: time.sleep(0.05), perplexity=False, "
        f"together={together}, **{SETTINGS})"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(log)])
    deadline = time.monotonic() + 120
    while (len(list(lines(log))) if log.exists() else 0) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    assert child.wait() != 0, "the sweep was over before it could be killed"
    before = [line["key"] for line in lines(log)]
    assert 5 <= len(before) < TOTAL

    found, calls = swept(model, log, together=together)
    after = [line["key"] for line in lines(log) if "key" in line]
    assert len(calls) == TOTAL - len(before)
    assert after[: len(before)] == before and len(after) == len(set(after)) == TOTAL
    assert len(found.frame) == TOTAL and found.frame["from_log"].sum() == len(before)
    if not together:
        whole = swept(model, False, together=False)[0].frame
        assert list(found.frame["text"]) == list(whole["text"]) and list(found.frame["seed"]) == list(whole["seed"])


def test_log_remembers_and_new_repeats_are_added(model, tmp_path):
    log = tmp_path / "deep" / "run.jsonl"
    first, calls = swept(model, log, repeats=2)
    assert len(calls) == 8 and not first.frame["from_log"].any() and first.log == log
    again, calls = swept(model, log, repeats=3)
    assert len(calls) == 4 and again.frame["from_log"].sum() == 8
    assert list(again.frame[again.frame["repeat"] < 2]["text"]) == list(first.frame["text"])
    assert len(swept(model, log, repeats=3, top_k=[0, 30])[1]) == 6  # the half that is new


def test_times_of_an_earlier_run_are_said_to_be_so(model, tmp_path):
    def run(**more):
        return lab.compare(model, ["Hello!"], repeats=2, max_tokens=4, log=tmp_path / "run.jsonl", **more)

    assert not run().notes
    assert run().notes == (f"2 of 2 answers of {NAME}, and their times, are from an earlier run: see 'from_log'.",)
    assert not run(together=True).notes, "an answer among many takes its time differently"


def test_default_log_goes_on_after_a_cut_and_starts_anew_after_the_end(model):
    def stop(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.compare(model, ["Hello!"], repeats=5, max_tokens=5, progress=stop)
    calls = []
    found = lab.compare(model, ["Hello!"], repeats=5, max_tokens=5, progress=calls.append)
    assert len(calls) == 2 and found.frame["from_log"].sum() == 3 and any("earlier run" in note for note in found.notes)
    calls.clear()
    assert not lab.compare(model, ["Hello!"], repeats=5, max_tokens=5, progress=calls.append).frame["from_log"].any()
    assert len(calls) == 5


def test_default_log_is_its_owners_alone_and_goes_when_it_is_done(model):
    folder, modes = settings.read().cache / "runs", set()

    def look(progress):
        modes.update(stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir()))

    found = lab.compare(model, ["Hello!"], repeats=2, max_tokens=4, progress=look)
    assert found.log is None and not found.notes and list(folder.iterdir()) == []
    assert os.name == "nt" or modes == {0o700, 0o600}


def test_run_without_a_place_for_its_log_says_so(model, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "file"))
    (note,) = lab.compare(model, ["Hello!"], max_tokens=4).notes
    assert "cannot be written" in note and note.endswith("Without a run log, a run that is cut short starts anew.")


def test_half_written_and_damaged_lines_are_survived(model, tmp_path):
    log = tmp_path / "run.jsonl"
    swept(model, log, repeats=1)
    whole = log.read_bytes().splitlines(keepends=True)
    poison = [b"not json\n", b'{"format": 1, "key": "x", "reply": {"text": 5}}\n', b"[]\n", b"\xff\xfe\n", b"\n"]
    log.write_bytes(b"".join([whole[0], *poison, whole[1], whole[2][: len(whole[2]) // 2]]))
    found, calls = swept(model, log, repeats=1)
    assert len(calls) == 2 and found.frame["from_log"].sum() == 2
    assert any("half-written" in note for note in found.notes) and any("cannot be read" in note for note in found.notes)
    assert all(line.endswith(b"\n") for line in log.read_bytes().splitlines(keepends=True))
    assert not swept(model, log, repeats=1)[1]


@pytest.mark.parametrize("text", ['[{"prompt": "Hello!"}]', "a,b\n1,2\n3,4", '{"format": "mine"}\n{"form', "\n\nNotes\n", '{"format": 12'])
def test_what_is_no_log_is_left_as_it_is(tmp_path, text):
    file = tmp_path / "mine"
    file.write_text(text)
    with pytest.raises(OptionError, match="is not a run log"):
        RunLog(file)
    assert file.read_text() == text


@pytest.mark.parametrize("text", ["", "\n", "{", '{"format": 1, "key": "a'])
def test_log_that_was_killed_in_its_first_line_goes_on(tmp_path, text):
    (tmp_path / "run.jsonl").write_text(text)
    with RunLog(tmp_path / "run.jsonl") as log:
        log.end()
    assert [line["end"] for line in lines(tmp_path / "run.jsonl")] == [True]


def test_log_has_one_writer(tmp_path):
    with RunLog(tmp_path / "run.jsonl"):
        code = "import sys; from labkit.experiments import RunLog; RunLog(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run.jsonl")], capture_output=True, text=True)
        assert done.returncode and "Another run writes" in done.stderr
    RunLog(tmp_path / "run.jsonl").close()


def test_log_that_cannot_be_written_is_said_at_once(model, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for log in (tmp_path / "folder", tmp_path / "file" / "run.jsonl", *filter(os.path.exists, ["/dev/full"])):
        with pytest.raises(OptionError, match="cannot be written"):
            lab.sweep(model, "Hello!", temperature=[0], log=log)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
def test_full_disk_costs_the_log_and_not_the_run(tmp_path):
    code = (
        "import resource, sys, labkit as lab; from labkit.zoo import catalog\n"
        f"catalog.path({NAME!r}); resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        f"found = lab.sweep({NAME!r}, 'Hello!', repeats=20, temperature=[0.5], max_tokens=4, log=sys.argv[1], perplexity=False)\n"
        "assert len(found.frame) == 20 and not found.frame['error'].any(); print(found.notes)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run.jsonl")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ends early: File too large" in done.stdout and (tmp_path / "run.jsonl").read_bytes().endswith(b"\n")


def test_key_tells_calls_apart_and_knows_equal_weights(model):
    about, options, messages = identity(model), Options(seed=1), as_messages("Hi")
    assert about["weights"] == catalog.card(NAME).sha256
    key = key_of(about, messages, options)
    assert key == key_of(identity(model), as_messages("Hi"), Options(seed=1, timeout=5))
    others = [
        key_of(about, as_messages("Ho"), options),
        key_of(about, messages, replace(options, seed=2)),
        key_of(about, messages, replace(options, top_p=0.5)),
        key_of(about, messages, options, 1),
        key_of(about | {"weights": "others"}, messages, options),
    ]
    assert len({key, *others}) == 6
    with load(str(catalog.path(NAME))) as same:
        assert identity(same)["weights"] == about["weights"]


def test_picture_that_is_not_there_is_a_row_and_not_the_end(misbehaving_server, tmp_path):
    prompts = ["Hi", lab.Message("user", "What is this?", images=(tmp_path / "absent.png",))]
    found = lab.compare(f"ollama:good@{misbehaving_server.url}", prompts, log=tmp_path / "run.jsonl").frame
    assert "OptionError" in found["error"][1] and "absent.png' cannot be read" in found["error"][1]


def test_reply_survives_the_log(model, tmp_path):
    reply = model.chat("Hello!", max_tokens=4, seed=1, stop=["x"])
    with RunLog(tmp_path / "run.jsonl") as log:
        log.add("k", reply, {})
    with RunLog(tmp_path / "run.jsonl") as log:
        back = log.replies["k"]
    assert back.text == reply.text and back.usage == reply.usage and back.timing == reply.timing
    assert dict(back.sent.request) == json.loads(json.dumps(dict(reply.sent.request)))
