"""Damaged, foreign and changing model files: the process that loads them lives, and gets a model or an error that says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import labkit as lab
from labkit import settings
from labkit.backends import probe
from labkit.backends.gguf import read_header
from labkit.errors import BadModelFileError, LabError
from labkit.zoo import catalog

from . import damaged, synthetic

STORY = "Tell a story about a fox."


def load_all(kind: str, folder: Path) -> dict[str, dict[str, str]]:
    """What came of each file of a kind, loaded one after another by one process, which must end well."""
    command = [sys.executable, "-m", "tests.backends.damaged", kind, str(catalog.path("mini-m")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"the process died after {results[-1] if results else 'nothing'}: {done.stderr[-2000:]}"
    return {result["name"]: result for result in results}


def test_34_named_cases_never_end_the_process(tmp_path):
    results = load_all("named", tmp_path)
    whole = {"TENSORS_SUCCESS", "TENSORS_CUSTOM_ALIGN", "DATA_SUCCESS", "DATA_CUSTOM_ALIGN"}
    assert len(results) == 34
    # HEADER_EMPTY, KV_SUCCESS and TENSORS_ZERO_DIM are right as GGUF files, but no models.
    assert {name for name, result in results.items() if "text" in result} == whole
    assert {result["error"] for name, result in results.items() if name not in whole} == {"BadModelFileError"}


def test_256_flipped_bytes_never_end_the_process(tmp_path):
    results = load_all("flips", tmp_path)
    assert len(results) == 256
    assert {result.get("error", "") for result in results.values()} <= {"", "BadModelFileError", "OutOfMemoryError", "OptionError"}
    assert 20 < sum("text" in result for result in results.values()) < 200


def test_truncated_files_never_end_the_process(tmp_path):
    results = load_all("cut", tmp_path)
    assert len(results) > 100
    assert {result.get("error") for result in results.values()} == {"BadModelFileError"}


def test_files_that_end_llama_cpp_end_only_the_trial(tmp_path):
    results = load_all("deadly", tmp_path)
    ended = {name: result["says"] for name, result in results.items() if "it ended the process" in result.get("says", "")}
    assert len(ended) >= 5, results
    assert all("SIGABRT" in says or "SIGSEGV" in says or "SIGFPE" in says or "exit status" in says for says in ended.values())
    assert any("GGML_ASSERT" in says for says in ended.values())  # llama.cpp's own last words
    assert all("error" in result for result in results.values()), results


@pytest.mark.parametrize("forks", [True, False])
def test_without_a_shared_session_the_verdict_is_the_same(tmp_path, monkeypatch, forks):
    if not forks:  # as on Windows and macOS: the trial runs in the helper process itself
        boot = probe._BOOT.replace("import main;", "import main; import labkit.backends._probe_child as child; child.FORKS = False;")
        assert boot != probe._BOOT
        monkeypatch.setattr(probe, "_BOOT", boot)
    for name, data in damaged.deadly(catalog.path("mini-m").read_bytes()):
        if name == "no layers":
            (tmp_path / "deadly.gguf").write_bytes(data)
    with pytest.raises(BadModelFileError, match=r"it ended the process.*GGML_ASSERT"):
        lab.load(tmp_path / "deadly.gguf")
    (tmp_path / "good.gguf").write_bytes(catalog.path("mini-m").read_bytes())
    lab.load(tmp_path / "good.gguf").close()
    path = synthetic.changed(tmp_path / "other.gguf", {"general.architecture": "unheard-of"})
    with pytest.raises(BadModelFileError, match="unknown model architecture: 'unheard-of'"):
        lab.load(path)


def test_ctrl_c_during_a_trial_is_not_followed_by_a_wrong_verdict(tmp_path):
    good, bad = tmp_path / "good.gguf", synthetic.changed(tmp_path / "bad.gguf", {"general.architecture": "unheard-of"})
    good.write_bytes(catalog.path("mini-m").read_bytes())

    class Interrupted:
        def get(self, timeout):
            raise KeyboardInterrupt

        def put(self, line):
            pass

    with probe.session():
        probe._session._lines = Interrupted()  # the answer for the good file comes when nobody waits any more
        with pytest.raises(KeyboardInterrupt):
            lab.load(good)
        with pytest.raises(BadModelFileError, match="unheard-of"):
            lab.load(bad)
        lab.load(good).close()


def test_second_load_needs_no_trial(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(catalog.path("mini-m").read_bytes())
    lab.load(path).close()
    verdicts = list((settings.read().cache / "probes").iterdir())
    assert [json.loads(file.read_text()) for file in verdicts] == [{"ok": True}]
    monkeypatch.setattr(probe, "_try", lambda *_: pytest.fail("tried again"))
    lab.load(path, context_window=256).close()
    os.utime(path, ns=(1, 1))
    with pytest.raises(pytest.fail.Exception):
        lab.load(path)


def test_bad_verdict_is_kept_and_a_broken_cache_is_not_believed(tmp_path):
    path = synthetic.changed(tmp_path / "model.gguf", {"general.architecture": "unheard-of"})
    for _ in range(2):
        with pytest.raises(BadModelFileError, match="unknown model architecture: 'unheard-of'"):
            lab.load(path)
    (verdict,) = (settings.read().cache / "probes").iterdir()
    for nonsense in ("", "[]", '{"ok": 1}'):
        verdict.write_text(nonsense)
        with pytest.raises(BadModelFileError, match="unheard-of"):
            lab.load(path)


def test_cache_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "file" / "cache"))
    path = tmp_path / "model.gguf"
    path.write_bytes(catalog.path("mini-m").read_bytes())
    lab.load(path).close()


def test_trial_that_takes_too_long_is_ended_and_not_remembered(tmp_path, monkeypatch):
    path = synthetic.llama(tmp_path / "slow.gguf", width=512, layers=12, inner=1024)
    start = time.monotonic()
    monkeypatch.setattr(probe, "_seconds", lambda size: 0.01)
    with pytest.raises(BadModelFileError, match="not done after"):
        lab.load(path)
    assert time.monotonic() - start < 15
    assert not (settings.read().cache / "probes").exists()


@pytest.mark.parametrize(
    "name", ["with space", "ñandú 狐 🦊", "quote ' and \" one", "percent %s %n {x}", "-dash", "dots..", "new\nline", "a" * 200]
)
def test_names_of_all_kinds(tmp_path, name):
    path = tmp_path / f"{name}.gguf"
    try:
        path.write_bytes(catalog.path("mini-m").read_bytes())
    except OSError:
        pytest.skip("this system has no such file names")
    with lab.load(path) as model:
        assert model.chat(STORY, seed=1, max_tokens=3).text
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BadModelFileError):
        lab.load(path)


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_are_followed_to_the_file(tmp_path):
    (tmp_path / "one.gguf").write_bytes(catalog.path("mini-m").read_bytes())
    (tmp_path / "link.gguf").symlink_to("one.gguf")
    with lab.load(tmp_path / "link.gguf") as model:
        assert model.chat(STORY, seed=1, max_tokens=3).text
    (tmp_path / "two.gguf").write_bytes(b"GGUF")
    (tmp_path / "link.gguf").unlink()
    (tmp_path / "link.gguf").symlink_to("two.gguf")
    with pytest.raises(BadModelFileError):
        lab.load(tmp_path / "link.gguf")


@pytest.mark.parametrize("how", ["cut", "overwritten", "replaced", "deleted"])
def test_file_that_changes_under_a_loaded_model_does_no_harm(tmp_path, how):
    path = tmp_path / "model.gguf"
    path.write_bytes(catalog.path("mini-m").read_bytes())
    with lab.load(path) as model:
        expected = model.chat(STORY, seed=1).text
        stream = model.stream(STORY, seed=1)
        next(stream)
        if how == "cut":
            os.truncate(path, 1000)
        elif how == "overwritten":
            path.write_bytes(bytes(path.stat().st_size))
        elif how == "replaced":
            (tmp_path / "other").write_bytes(b"GGUF")
            os.replace(tmp_path / "other", path)
        else:
            path.unlink()
        assert stream.finish().text == expected
        assert model.chat(STORY, seed=1).text == expected
        assert model.info().size == catalog.card("mini-m").size
    with pytest.raises(LabError):
        lab.load(path)


def test_file_replaced_while_it_is_loaded_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(catalog.path("mini-m").read_bytes())
    ensure = probe.ensure

    def slowly(*arguments):
        ensure(*arguments)
        path.write_bytes(path.read_bytes())  # the same bytes, but not the file that was tried

    monkeypatch.setattr(probe, "ensure", slowly)
    with pytest.raises(BadModelFileError, match="while it was being loaded"):
        lab.load(path)


def test_file_rewritten_again_and_again_gives_a_model_or_an_error(tmp_path):
    path, data = tmp_path / "model.gguf", catalog.path("mini-m").read_bytes()
    path.write_bytes(data)
    stop = threading.Event()

    def rewrite() -> None:
        sizes = [len(data), 100, len(data) // 2, 5000, len(data) - 1]
        number = 0
        while not stop.is_set():
            path.write_bytes(data[: sizes[number % len(sizes)]])
            number += 1
            time.sleep(0.02)

    thread = threading.Thread(target=rewrite)
    thread.start()
    outcomes = set()
    try:
        with probe.session():
            for _ in range(40):
                try:
                    with lab.load(path) as model:
                        model.chat(STORY, seed=1, max_tokens=2)
                    outcomes.add("model")
                except LabError as error:
                    outcomes.add(type(error).__name__)
    finally:
        stop.set()
        thread.join()
    assert outcomes <= {"model", "BadModelFileError"}


def test_shipped_file_that_was_changed_is_refused(tmp_path, monkeypatch):
    data = bytearray(catalog.path("mini-m").read_bytes())
    data[len(data) // 2] ^= 1
    monkeypatch.setattr(catalog, "WEIGHTS", tmp_path)
    (tmp_path / catalog.card("mini-m").file).write_bytes(data)
    with pytest.raises(BadModelFileError, match="sha256"):
        lab.load("mini-m")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    file, _ = damaged.parse(catalog.path("mini-m").read_bytes())
    first = file.tensors[0]
    path = tmp_path / "nan.gguf"
    path.write_bytes(replace(file, tensors=[replace(first, data=b"\xff" * len(first.data)), *file.tensors[1:]]).build())
    with pytest.raises(BadModelFileError, match="no numbers"):
        lab.load(path)


def test_helper_process_ends_after_the_trial(tmp_path):
    psutil = pytest.importorskip("psutil")
    path = tmp_path / "model.gguf"
    path.write_bytes(catalog.path("mini-m").read_bytes())
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    lab.load(path).close()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_damaged_files_are_built_back_to_the_same_bytes():
    data = catalog.path("mini-m").read_bytes()
    assert damaged.parse(data)[0].build() == data
    assert read_header(catalog.path("mini-m")).size == len(data)


@pytest.mark.parametrize("kind", ["tekken", "deepseek-llm"])
def test_long_runs_do_not_end_the_process_with_other_tokenizers(tmp_path, kind):
    """Their std::regex recurses for each character: with the usual stack, 20,000 letters in a row end the process."""
    path = synthetic.changed(tmp_path / "other.gguf", {"tokenizer.ggml.pre": kind})
    with lab.load(path) as model:
        for unit in ("a", " ", "9", "!"):
            assert model.count_tokens(unit * 100_000) > 1000
