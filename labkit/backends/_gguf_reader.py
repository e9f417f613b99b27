"""Walk through the header of a GGUF file. Nothing in it is believed unchecked.

It takes O(header) time and never makes room for what a length in the file says before that many bytes are known to be there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import BadModelFileError

# ggml's types: number -> name, numbers in a block, bytes of a block.
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_UINT32, _STRING, _ARRAY = 4, 8, 9
_LONGEST_KEY, _LONGEST_NAME, _MOST_DIMS, _KEPT = 65535, 63, 4, 4096
_DAMAGED = "The file is damaged, or not a GGUF file at all."
_AGAIN = "Get it again from where it came."


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor table; `offset` counts from the start of the data."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        total = 1
        for dim in self.shape:
            total *= dim
        return total


class Reader:
    """Reads one open file; `arrays`: the long ones too."""

    def __init__(self, path: Path, stream: BinaryIO, arrays: bool) -> None:
        self.path, self.stream, self.all = path, stream, arrays
        self.size = stream.seek(0, 2)
        stream.seek(0)

    def bad(self, what: str, cause: str = _DAMAGED) -> BadModelFileError:
        return BadModelFileError(f"{self.path.name} cannot be read: {what}.", cause, _AGAIN)

    def cut(self) -> BadModelFileError:
        return self.bad(f"it ends inside its header, after {self.size:,} bytes", "The download or copy was cut short.")

    def left(self) -> int:
        return self.size - self.stream.tell()

    def take(self, count: int) -> bytes:
        data = self.stream.read(count)
        if len(data) < count:
            raise self.cut()
        return data

    def scalar(self, kind: int) -> Any:
        form = _SCALARS[kind]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def skip(self, count: int) -> None:
        if count > self.left():
            raise self.cut()
        self.stream.seek(count, 1)

    def length(self, what: str, most: int | None = None) -> int:
        value: int = self.scalar(10)
        if value > self.left() or (most is not None and value > most):
            raise self.bad(f"{what} has a length of {value:,}")
        return value

    def string(self, what: str, most: int | None = None) -> str:
        data = self.take(self.length(what, most))
        return data.decode("utf-8", "replace")

    def skip_strings(self, key: str, count: int) -> None:
        """Walk over a list of strings: a vocabulary has hundreds of thousands, so each step counts."""
        read, unpack, most = self.stream.read, struct.Struct("<Q").unpack, self.left()
        for _ in range(count):
            head = read(8)
            size = unpack(head)[0] if len(head) == 8 else most
            if size >= most:
                raise self.bad(f"the list {key!r} does not end within the file")
            if len(read(size)) < size:
                raise self.cut()

    def read(self) -> tuple[dict[str, Any], dict[str, int], tuple[Tensor, ...], int]:
        """Metadata, lengths of its arrays, the tensor table, and the byte at which the data starts."""
        if self.size < 4 or self.take(4) != b"GGUF":
            if not self.size:
                raise self.bad("it is empty", "The download failed.")
            raise self.bad("it does not begin with 'GGUF'", "It is another kind of file, perhaps a web page saved in its place.")
        version = self.scalar(4)
        if version not in (2, 3):
            swapped = version & 0xFFFF == 0 and version
            cause = "It was made for big-endian machines." if swapped else "It is damaged, or newer than this labkit."
            raise self.bad(f"its GGUF version is {version}", cause)
        tensors, pairs = self.scalar(11), self.scalar(11)
        if not 0 <= pairs <= self.left() // 13:
            raise self.bad(f"it promises {pairs:,} entries of metadata in {self.left():,} bytes")
        if not 0 <= tensors <= self.left() // 24:
            raise self.bad(f"it promises {tensors:,} tensors in {self.left():,} bytes")
        metadata, arrays = self.metadata(pairs)
        alignment = metadata.get("general.alignment", 32)
        if alignment <= 0 or alignment & (alignment - 1):
            raise self.bad(f"general.alignment is {alignment}, which is no power of two")
        table = self.tensors(tensors, alignment)
        start = _padded(self.stream.tell(), alignment)
        end = start + max((tensor.offset + tensor.size for tensor in table), default=0)
        if table and end > self.size:
            what = f"it has {self.size:,} bytes, but its header promises {end:,}"
            raise self.bad(what, f"{end - self.size:,} bytes are missing: the download or copy was cut short.")
        return metadata, arrays, tuple(table), start

    def metadata(self, count: int) -> tuple[dict[str, Any], dict[str, int]]:
        found: dict[str, Any] = {}
        arrays: dict[str, int] = {}
        seen = set()
        for _ in range(count):
            key = self.string("the name of a metadata entry", _LONGEST_KEY)
            if not key or key in seen:
                raise self.bad(f"the metadata entry {key!r} is there twice" if key else "a metadata entry has no name")
            seen.add(key)
            kind = self.scalar(4)
            if key == "general.alignment" and kind != _UINT32:
                raise self.bad(f"general.alignment has type {kind}, not a 32-bit number")
            if kind == _ARRAY:
                values, arrays[key] = self.array(key)
                if values is not None:
                    found[key] = values
            elif kind == _STRING:
                found[key] = self.string(key)
            elif kind in _SCALARS:
                found[key] = self.scalar(kind)
            else:
                raise self.bad(f"the metadata entry {key!r} has the unknown type {kind}")
        return found, arrays

    def array(self, key: str) -> tuple[list[Any] | None, int]:
        kind, count = self.scalar(4), self.length(f"the list {key!r}")
        keep = self.all or (count <= _KEPT and not key.startswith("tokenizer."))
        if kind == _STRING:
            if count * 8 > self.left():
                raise self.bad(f"the list {key!r} has a length of {count:,}")
            if keep:
                return [self.string(key) for _ in range(count)], count
            self.skip_strings(key, count)
            return None, count
        if kind not in _SCALARS:
            raise self.bad(f"the list {key!r} has elements of the unknown type {kind}")
        form = _SCALARS[kind][1]
        width = struct.calcsize("<" + form)
        if not keep:
            self.skip(count * width)
            return None, count
        if count * width > self.left():
            raise self.bad(f"the list {key!r} has a length of {count:,}")
        return list(struct.unpack(f"<{count}{form}", self.take(count * width))), count

    def tensors(self, count: int, alignment: int) -> list[Tensor]:
        table: list[Tensor] = []
        names = set()
        offset = 0
        for _ in range(count):
            name = self.string("the name of a tensor", _LONGEST_NAME)
            if name in names:
                raise self.bad(f"the tensor {name!r} is there twice")
            names.add(name)
            dims = self.scalar(4)
            if dims > _MOST_DIMS:
                raise self.bad(f"the tensor {name!r} has {dims} dimensions")
            shape = tuple(self.scalar(11) for _ in range(dims))
            kind, place = self.scalar(4), self.scalar(10)
            tensor = self.tensor(name, shape, kind, place)
            if place != offset:
                raise self.bad(f"the tensor {name!r} starts at byte {place:,} of the data instead of {offset:,}")
            table.append(tensor)
            offset += _padded(tensor.size, alignment)
            if offset >= 2**63:
                raise self.bad(f"its tensors up to {name!r} take {offset:,} bytes")
        return table

    def tensor(self, name: str, shape: tuple[int, ...], kind: int, place: int) -> Tensor:
        if kind not in TYPES:
            raise self.bad(f"the tensor {name!r} has the unknown type {kind}", "It is damaged, or newer than this labkit.")
        label, block, size = TYPES[kind]
        count = 1
        for dim in shape:
            count *= dim
            if dim < 0 or count >= 2**63:
                raise self.bad(f"the tensor {name!r} has the shape {shape}")
        if shape and shape[0] % block:
            raise self.bad(f"the tensor {name!r} of type {label} has rows of {shape[0]:,} numbers, not a multiple of {block}")
        bytes_ = count // block * size
        if bytes_ >= 2**63:
            raise self.bad(f"the tensor {name!r} takes {bytes_:,} bytes")
        return Tensor(name, shape, label, place, bytes_)


def _padded(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment
