"""The reader of GGUF headers: true of whole files, and no file makes it do anything but say what is wrong."""

from __future__ import annotations

import ctypes
import os
import random
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

import labkit as lab
from labkit.backends._gguf_reader import TYPES
from labkit.backends.gguf import read_header
from labkit.errors import BadModelFileError, LabError, ModelNotFoundError
from labkit.zoo import catalog

from . import damaged, synthetic


@pytest.fixture(scope="module")
def data():
    return catalog.path("mini-m").read_bytes()


def test_header_says_what_the_card_says():
    header, card = read_header(catalog.path("mini-m")), catalog.card("mini-m")
    assert (header.size, header.parameters, header.context_length) == (card.size, card.parameters, card.context_window)
    assert (header.quantization, header.architecture, header.embeds) == (card.quantization, card.architecture, False)
    assert "<|im_start|>" in header.chat_template
    assert header.weights < header.size < header.weights + 200_000


def test_model_in_several_files_is_read_whole(tmp_path, monkeypatch):
    paths, whole = synthetic.parts(tmp_path, 3), read_header(catalog.path("mini-m"))
    header = read_header(paths[0])
    assert (header.parameters, header.weights) == (whole.parameters, whole.weights)
    assert header.size == sum(path.stat().st_size for path in paths)
    with lab.load(paths[0]) as model, lab.load("mini-m") as shipped:
        assert model.chat("Hi", temperature=0, max_tokens=8).text == shipped.chat("Hi", temperature=0, max_tokens=8).text
    monkeypatch.setenv("LABKIT_MODELS", str(tmp_path))
    assert [info.parameters for info in lab.models() if str(tmp_path) in info.name] == [whole.parameters]
    with pytest.raises(BadModelFileError, match="ends in -00001-of-00003"):
        lab.load(paths[1])
    paths[2].unlink()
    with pytest.raises(ModelNotFoundError, match="00003-of-00003"):
        lab.load(paths[0])


def test_header_agrees_with_llama_cpp_and_gguf():
    gguf = pytest.importorskip("gguf")
    path = catalog.path("mini-m")
    header, theirs = read_header(path, arrays=True), gguf.GGUFReader(path)
    assert [(tensor.name, tensor.count, tensor.size, header.data + tensor.offset) for tensor in header.tensors] == [
        (tensor.name, int(tensor.n_elements), int(tensor.n_bytes), int(tensor.data_offset)) for tensor in theirs.tensors
    ]
    for key, value in header.metadata.items():
        assert theirs.fields[key].contents() == value


def test_sizes_of_heads_and_layers(tmp_path):
    header = read_header(synthetic.llama(tmp_path / "m.gguf", width=64, layers=3, inner=96, heads=4, kv_heads=2))
    assert (header.layers, header.width, header.kv_heads, header.key_length, header.value_length) == (3, 64, 2, 16, 16)
    assert header.vocabulary == read_header(catalog.path("mini-m")).vocabulary
    assert read_header(synthetic.bert(tmp_path / "b.gguf")).embeds


def test_long_arrays_are_left_out_unless_asked_for():
    path = catalog.path("mini-m")
    assert "tokenizer.ggml.tokens" not in read_header(path).metadata
    assert len(read_header(path, arrays=True).metadata["tokenizer.ggml.tokens"]) == read_header(path).vocabulary


def test_types_are_those_of_ggml():
    llama_cpp = pytest.importorskip("llama_cpp")
    folder = Path(llama_cpp.__file__).parent / "lib"
    library = next((file for file in folder.iterdir() if file.stem.removeprefix("lib") == "ggml-base"), None)
    if library is None:
        pytest.skip("this build has no library ggml-base")
    ggml = ctypes.CDLL(str(library))
    ggml.ggml_type_size.restype = ctypes.c_size_t
    ggml.ggml_blck_size.restype = ctypes.c_int64
    ggml.ggml_type_name.restype = ctypes.c_char_p
    for number, (name, block, size) in TYPES.items():
        assert (ggml.ggml_blck_size(number), ggml.ggml_type_size(number)) == (block, size)
        assert ggml.ggml_type_name(number).decode().lower() == name.lower()


def test_named_cases_are_34_and_judged_as_llama_cpp_judges_them(data, tmp_path):
    verdicts = []
    for name, made, good in damaged.named_cases(data):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(made)
        try:
            read_header(path)
            verdicts.append((name, True, good))
        except BadModelFileError as error:
            assert path.name in error.what and error.cause and error.fix
            verdicts.append((name, False, good))
        path.unlink()
    assert [name for name, found, good in verdicts if found is not good] == []
    assert (len(verdicts), sum(good for _, _, good in verdicts)) == (34, 7)


def test_every_truncation_is_refused(data, tmp_path):
    path = tmp_path / "cut.gguf"
    ends = damaged.parse(data)[1]
    for size in {0, 1, 3, *ends.values(), *(end - 1 for end in ends.values()), len(data) - 33}:
        path.write_bytes(data[:size])
        with pytest.raises(BadModelFileError):
            read_header(path)


def test_download_cut_short_is_told_with_numbers(data, tmp_path):
    path = tmp_path / "cut.gguf"
    path.write_bytes(data[:5_000_000])
    with pytest.raises(
        BadModelFileError, match=rf"it has 5,000,000 bytes, but its header promises {len(data):,}.*were? missing|bytes are missing"
    ):
        read_header(path)


def test_random_headers_end_in_a_header_or_an_error(data):
    """Thousands of damaged headers, read from memory: any other exception is a fault of the reader."""
    import io

    from labkit.backends._gguf_reader import Reader

    end = damaged.parse(data)[1]["padding"]
    draw = random.Random(3)
    small = bytearray(data[:end])
    outcomes = set()
    for _ in range(1500):
        copy = bytearray(small)
        for _ in range(draw.choice((1, 1, 2, 8))):
            copy[draw.randrange(400) if draw.random() < 0.6 else draw.randrange(end - 4000, end)] = draw.choice(
                (0, 1, 127, 255, draw.randrange(256))
            )
        try:
            Reader(Path("x.gguf"), io.BytesIO(bytes(copy) + bytes(64)), False).read()
            outcomes.add("read")
        except BadModelFileError:
            outcomes.add("refused")
    assert "refused" in outcomes


def test_promised_lengths_take_no_memory(data, tmp_path):
    model, _ = damaged.parse(data)
    path = tmp_path / "huge.gguf"
    huge = [
        model.with_pair("x", damaged.STRING, b"\xff" * 7 + b"\x7f"),
        model.with_pair("x", damaged.ARRAY, b"\x04\0\0\0" + b"\xff" * 7 + b"\x0f"),
        model.with_pair("x", damaged.ARRAY, b"\x08\0\0\0" + (10**7).to_bytes(8, "little")),
        replace(model, count_pairs=2**40),
        replace(model, count_tensors=2**30),
    ]
    tracemalloc.start()
    for file in huge:
        path.write_bytes(file.build())
        tracemalloc.reset_peak()
        with pytest.raises(BadModelFileError):
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "does not begin with 'GGUF'"),
        (b"GGUF", "ends inside its header"),
        (b"GGUF\0\0\0\x03" + bytes(16), "big-endian"),
        (b"PK\x03\x04" + bytes(100), "does not begin"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, content, says):
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(BadModelFileError, match=says):
        read_header(path)


def test_other_things_than_files(tmp_path):
    with pytest.raises(BadModelFileError, match="folder"):
        read_header(tmp_path)
    with pytest.raises(ModelNotFoundError):
        read_header(tmp_path / "nothing.gguf")
    with pytest.raises(LabError):
        read_header("bad\0name.gguf")
    with pytest.raises(LabError):
        read_header("n" * 5000)
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe.gguf")
        with pytest.raises(BadModelFileError, match="regular"):
            read_header(tmp_path / "pipe.gguf")
        (tmp_path / "a.gguf").symlink_to(tmp_path / "b.gguf")
        (tmp_path / "b.gguf").symlink_to(tmp_path / "a.gguf")
        with pytest.raises(LabError):
            read_header(tmp_path / "a.gguf")
        (tmp_path / "link.gguf").symlink_to(catalog.path("mini-m"))
        assert read_header(tmp_path / "link.gguf").parameters


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_file_without_rights(tmp_path):
    path = tmp_path / "locked.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    with pytest.raises(BadModelFileError, match="rights"):
        read_header(path)


def test_reading_is_quick(data):
    start = time.perf_counter()
    read_header(catalog.path("mini-m"))
    assert time.perf_counter() - start < 1
