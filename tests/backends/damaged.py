"""Builds damaged and unusual GGUF files, and loads them one after another in a process that must live to the end.

The names of the 34 cases are those of llama.cpp's own test (tests/test-gguf.cpp); the files are made here, on the shipped model.
``python -m tests.backends.damaged KIND MODEL.gguf FOLDER`` loads files of one kind with `lab.load` and prints a line of JSON for each.
"""

from __future__ import annotations

import contextlib
import json
import random
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of the scalar types
U32, I32, STRING, ARRAY, U64 = 4, 5, 8, 9, 10
F32, I8, I64 = 0, 24, 27  # tensor types


@dataclass
class Info:
    """One row of the tensor table, and its bytes."""

    name: bytes
    shape: list[int]
    type: int
    data: bytes
    offset: int | None = None  # None: where it belongs
    dims: int | None = None


@dataclass
class File:
    """A GGUF file in parts, so that any one of them can be made wrong."""

    magic: bytes = b"GGUF"
    version: int = 3
    pairs: list[tuple[bytes, int, bytes]] = field(default_factory=list)  # key, type, value as in the file
    tensors: list[Info] = field(default_factory=list)
    count_pairs: int | None = None
    count_tensors: int | None = None
    key_length: int | None = None
    alignment: int = 32
    cut: int = 0  # bytes missing at the end

    def build(self) -> bytes:
        """The bytes of the file."""
        head = bytearray(self.magic + struct.pack("<I", self.version))
        head += struct.pack("<Q", len(self.tensors) if self.count_tensors is None else self.count_tensors)
        head += struct.pack("<Q", len(self.pairs) if self.count_pairs is None else self.count_pairs)
        for key, kind, value in self.pairs:
            head += struct.pack("<Q", len(key) if self.key_length is None else self.key_length) + key + struct.pack("<I", kind) + value
        data = bytearray()
        for info in self.tensors:
            data += bytes(-len(data) % self.alignment)
            head += struct.pack("<Q", len(info.name)) + info.name
            head += struct.pack("<I", len(info.shape) if info.dims is None else info.dims)
            head += b"".join(struct.pack("<q", size) for size in info.shape)
            head += struct.pack("<IQ", info.type, len(data) if info.offset is None else info.offset)
            data += info.data
        data += bytes(-len(data) % self.alignment)
        whole = bytes(head) + bytes(-len(head) % self.alignment) + bytes(data)
        return whole[: len(whole) - self.cut]

    def with_pair(self, key: str, kind: int, value: bytes) -> File:
        """The same file with one more entry of metadata."""
        return replace(self, pairs=[*self.pairs, (key.encode(), kind, value)])

    def with_first(self, **changes: object) -> File:
        """The same file with its first tensor changed."""
        return replace(self, tensors=[replace(self.tensors[0], **changes), *self.tensors[1:]])  # type: ignore[arg-type]


def parse(data: bytes) -> tuple[File, dict[str, int]]:
    """A file in parts, and where each section of it ends."""
    place = 24

    def number(form: str) -> int:
        nonlocal place
        value = struct.unpack_from(form, data, place)[0]
        place += struct.calcsize(form)
        return int(value)

    def text() -> bytes:
        nonlocal place
        size = number("<Q")
        place += size
        return data[place - size : place]

    def value(kind: int) -> None:
        nonlocal place
        if kind == STRING:
            text()
        elif kind == ARRAY:
            inner, count = number("<I"), number("<Q")
            for _ in range(count):
                value(inner)
        else:
            place += SIZES[kind]

    count_tensors, count_pairs = struct.unpack_from("<QQ", data, 8)
    ends = {"magic": 4, "version": 8, "counts": 24}
    pairs = []
    for _ in range(count_pairs):
        key, kind = text(), number("<I")
        start = place
        value(kind)
        pairs.append((key, kind, data[start:place]))
        ends[f"metadata {key.decode()}"] = place
    rows = []
    for _ in range(count_tensors):
        name = text()
        shape = [number("<q") for _ in range(number("<I"))]
        rows.append((name, shape, number("<I"), number("<Q")))
    ends["tensor table"] = place
    start = (place + 31) // 32 * 32
    ends["padding"] = start
    offsets = [row[3] for row in rows] + [len(data) - start]
    tensors = [
        Info(name, shape, kind, data[start + at : start + after]) for (name, shape, kind, at), after in zip(rows, offsets[1:], strict=True)
    ]
    for name, _, _, at in rows[1:]:
        ends[f"before {name.decode()}"] = start + at
    return File(pairs=pairs, tensors=tensors), ends


def named_cases(data: bytes, seed: int = 0) -> Iterator[tuple[str, bytes, bool]]:
    """Name, bytes, and whether llama.cpp's reader of headers takes it: 27 times no, 7 times yes."""
    model, _ = parse(data)
    draw = random.Random(seed)
    extra = _random_pairs(draw)
    with_pairs = replace(model, pairs=model.pairs + extra)
    only_pairs = replace(with_pairs, tensors=[])
    first = model.tensors[0]

    def align(file: File, value: int, kind: int = U32) -> File:
        return file.with_pair("general.alignment", kind, struct.pack("<I", value))

    huge = 2**63 - 1
    cases: list[tuple[str, File, bool]] = [
        ("HEADER_BAD_MAGIC", replace(model, magic=b"FUGG"), False),
        ("HEADER_BAD_VERSION_0", replace(model, version=0), False),
        ("HEADER_BAD_VERSION_1", replace(model, version=1), False),
        ("HEADER_BAD_VERSION_FUTURE", replace(model, version=4), False),
        ("HEADER_BAD_N_TENSORS", replace(model, count_tensors=2**64 - 1), False),
        ("HEADER_BAD_N_KV", replace(model, count_pairs=2**64 - 1), False),
        ("HEADER_EMPTY", File(), True),
        ("KV_BAD_KEY_SIZE", replace(model, key_length=2**64 - 1), False),
        ("KV_EMPTY_KEY", model.with_pair("", U32, bytes(4)), False),
        ("KV_BAD_TYPE", model.with_pair("my_key", 13, bytes(4)), False),
        ("KV_DUPLICATE_KEY", replace(model, pairs=[*model.pairs, model.pairs[0]]), False),
        ("KV_BAD_ALIGN", align(only_pairs, 13), False),
        ("KV_WRONG_TYPE_ALIGN", align(only_pairs, 32, I32), False),
        ("KV_SUCCESS", only_pairs, True),
        ("TENSORS_BAD_NAME_SIZE", model.with_first(name=b"n" * 64), False),
        ("TENSORS_BAD_N_DIMS", model.with_first(dims=5), False),
        ("TENSORS_BAD_SHAPE", model.with_first(shape=[-256, 2048]), False),
        ("TENSORS_ZERO_DIM", replace(model, tensors=[*model.tensors, Info(b"zero", [0], F32, b"")]), True),
        ("TENSORS_NE_TOO_BIG", model.with_first(shape=[2**40, 2**40]), False),
        ("TENSORS_NBYTES_TOO_BIG", model.with_first(shape=[2**62], type=I64), False),
        ("TENSORS_NBYTES_PAD_WRAP", model.with_first(shape=[huge], type=I8), False),
        ("TENSORS_BAD_TYPE", model.with_first(type=43), False),
        ("TENSORS_BAD_OFFSET", model.with_first(offset=32), False),
        ("TENSORS_DUPLICATE_NAME", replace(model, tensors=[*model.tensors, first]), False),
        ("TENSORS_BAD_ALIGN", align(model, 13), False),
        ("TENSORS_INCONSISTENT_ALIGN", align(_odd(replace(model, alignment=1)), 32), False),
        ("TENSORS_SUCCESS", with_pairs, True),
        ("TENSORS_CUSTOM_ALIGN", align(replace(model, alignment=64), 64), True),
        ("DATA_NOT_ENOUGH_DATA", replace(model, cut=4096), False),
        ("DATA_BAD_ALIGN", align(with_pairs, 13), False),
        ("DATA_INCONSISTENT_ALIGN", align(_odd(replace(with_pairs, alignment=1)), 32), False),
        ("DATA_MEM_SIZE_OVERFLOW", replace(model, tensors=_overflow(model)), False),
        ("DATA_SUCCESS", replace(model, pairs=_random_pairs(draw) + model.pairs), True),
        ("DATA_CUSTOM_ALIGN", align(replace(with_pairs, alignment=256), 256), True),
    ]
    for name, file, good in cases:
        yield name, file.build(), good


def _overflow(model: File) -> list[Info]:
    return [Info(b"a", [0x7FFFFFFFFFFFFFC0], I8, b"", 0), Info(b"b", [0x7FFFFFFFFFFFFFC0], I8, b"", 0x7FFFFFFFFFFFFFC0), *model.tensors]


def _odd(file: File) -> File:
    """With a tensor of 20 bytes in front, so that what follows does not lie on a round place by chance."""
    return replace(file, tensors=[Info(b"odd", [5], F32, bytes(20)), *file.tensors])


def _random_pairs(draw: random.Random, count: int = 100) -> list[tuple[bytes, int, bytes]]:
    pairs = []
    for number in range(count):
        kind = draw.choice([*SIZES, STRING, ARRAY])
        if kind == STRING:
            text = draw.randbytes(draw.randrange(64))
            value = struct.pack("<Q", len(text)) + text
        elif kind == ARRAY:
            inner, length = draw.choice(list(SIZES)), draw.randrange(8)
            value = struct.pack("<IQ", inner, length) + bytes(SIZES[inner] * length)
        elif kind == 7:
            value = bytes([draw.randrange(2)])
        else:
            value = draw.randbytes(SIZES[kind])
        pairs.append((f"my_key_{draw.randrange(10**6)}_{number}".encode(), kind, value))
    return pairs


def flips(data: bytes, count: int = 256, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Files with one byte of the header changed, at places and to values drawn with a fixed seed."""
    end = parse(data)[1]["tensor table"]
    draw = random.Random(seed)
    for number in range(count):
        # Half of them among the small values, where a byte decides more than in the 50 kB of vocabulary.
        place = draw.randrange(end) if number % 2 else _telling_place(draw, data, end)
        value = draw.choice([byte for byte in range(256) if byte != data[place]])
        yield f"flip {number:03d} at {place} to {value:02x}", data[:place] + bytes([value]) + data[place + 1 :]


def _telling_place(draw: random.Random, data: bytes, end: int) -> int:
    vocabulary = data.index(b"tokenizer.ggml.tokens")
    merges = data.index(b"tokenizer.ggml.bos_token_id")
    while True:
        place = draw.randrange(end)
        if not vocabulary < place < merges:
            return place


def truncations(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that end where a section ends, and one byte before."""
    for name, end in parse(data)[1].items():
        yield f"ends after {name}", data[:end]
        yield f"ends inside {name}", data[: end - 1]


def deadly(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that are right as GGUF and end llama.cpp 0.3.36, most of them by an assertion."""
    model, _ = parse(data)

    def changed(key: str, value: bytes, kind: int | None = None) -> bytes:
        pairs = [(k, t if kind is None else kind, value) if k.decode() == key else (k, t, v) for k, t, v in model.pairs]
        return replace(model, pairs=pairs).build()

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    architecture = next(value[8:].decode() for key, _, value in model.pairs if key == b"general.architecture")
    numbers = {
        "no layers": ("block_count", 0),
        "a thousand layers": ("block_count", 1023),
        "no heads": ("attention.head_count", 0),
        "three heads": ("attention.head_count", 3),
        "odd rotation": ("rope.dimension_count", 63),
        "no width": ("embedding_length", 0),
    }
    for name, (key, value) in numbers.items():
        yield name, changed(f"{architecture}.{key}", struct.pack("<I", value))
    yield "epsilon no number", changed(f"{architecture}.attention.layer_norm_rms_epsilon", struct.pack("<f", float("nan")))
    yield "epsilon below zero", changed(f"{architecture}.attention.layer_norm_rms_epsilon", struct.pack("<f", -1.0))
    for tokenizer in ("llama", "none", "no_vocab"):
        yield f"tokenizer {tokenizer}", changed("tokenizer.ggml.model", text(tokenizer))
    embedding = model.tensors[0]
    yield (
        "vocabulary of another size",
        replace(model, tensors=[replace(embedding, shape=[embedding.shape[0] // 2, embedding.shape[1] * 2]), *model.tensors[1:]]).build(),
    )


def load_all(cases: Iterable[tuple[str, bytes]], folder: Path) -> None:
    """Write each file, load it as a user would, and say what came of it."""
    import labkit as lab
    from labkit.backends import probe

    with probe.session():
        for name, data in cases:
            path = folder / f"{name}.gguf"
            path.write_bytes(data)
            print(json.dumps({"name": name, **_load(lab, path)}), flush=True)
            path.unlink()


def _load(lab: Any, path: Path) -> dict[str, str]:
    from labkit.errors import LabError

    try:
        with contextlib.closing(lab.load(path)) as model:
            return {"text": model.generate("The fox", temperature=0, max_tokens=3).text}
    except LabError as error:
        return {"error": type(error).__name__, "says": str(error)}


def main(kind: str, model: Path, folder: Path) -> None:
    """Load all files of one kind, made from one model."""
    data = model.read_bytes()
    makers = {
        "named": lambda: ((name, made) for name, made, _ in named_cases(data)),
        "flips": lambda: flips(data),
        "cut": lambda: truncations(data),
        "deadly": lambda: deadly(data),
    }
    load_all(makers[kind](), folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
