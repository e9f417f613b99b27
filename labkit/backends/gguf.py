"""The header of a GGUF file: what the model is, how large, and whether the file is whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import BadModelFileError, ModelNotFoundError
from ._gguf_reader import Reader, Tensor

# general.file_type -> the name that people know.
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L",
    14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
PART = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})\.gguf")  # one file of a model in several


@dataclass(frozen=True)
class Header:
    """What the header of a GGUF file says.

    Attributes
    ----------
    path : Path
    size : int
        Bytes of the file, or of all files of the model.
    metadata : dict
        Key -> value; arrays longer than 4,096 and the vocabulary are left out, unless they were asked for.
    arrays : dict
        Key -> length, for every array.
    tensors : tuple of Tensor
    data : int
        Byte of the file at which the numbers start; a tensor's own lie `offset` bytes further on.
    """

    path: Path
    size: int
    metadata: Mapping[str, Any]
    arrays: Mapping[str, int]
    tensors: tuple[Tensor, ...] = field(repr=False)
    data: int = 0

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the model's own architecture: `get("block_count")` reads 'llama.block_count'."""
        return self.metadata.get(f"{self.architecture}.{key}", default)

    def number(self, key: str) -> int:
        """A whole number of the architecture, 0 where it is missing; the largest where each layer has its own."""
        value = self.get(key, 0)
        numbers = value if isinstance(value, list) else [value]
        return max((n for n in numbers if isinstance(n, int) and not isinstance(n, bool)), default=0)

    @property
    def architecture(self) -> str:
        """llama.cpp's name for how the model is built."""
        value = self.metadata.get("general.architecture", "")
        return value if isinstance(value, str) else ""

    @property
    def parameters(self) -> int:
        """Numbers that training set."""
        return sum(tensor.count for tensor in self.tensors)

    @property
    def weights(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def quantization(self) -> str:
        """Type of most of its numbers, as people name it: F16, Q8_0, Q4_K_M."""
        name = FILE_TYPES.get(self.metadata.get("general.file_type", -1))
        if name is not None:
            return name
        types: Counter[str] = Counter()
        for tensor in self.tensors:
            types[tensor.type] += tensor.size
        return types.most_common(1)[0][0] if types else ""

    @property
    def context_length(self) -> int:
        """Tokens that the model was trained to read at once; 0 where the file does not say."""
        return self.number("context_length")

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.number("block_count")

    @property
    def width(self) -> int:
        """Length of the vector of one token."""
        return self.number("embedding_length")

    @property
    def kv_heads(self) -> int:
        """Heads whose keys and values are kept."""
        return self.number("attention.head_count_kv") or self.number("attention.head_count")

    @property
    def key_length(self) -> int:
        """Numbers in the key of one head."""
        return self.number("attention.key_length") or self.width // max(1, self.number("attention.head_count"))

    @property
    def value_length(self) -> int:
        """Numbers in the value of one head."""
        return self.number("attention.value_length") or self.width // max(1, self.number("attention.head_count"))

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.arrays.get("tokenizer.ggml.tokens", 0)

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of a conversation; None where there is none."""
        value = self.metadata.get("tokenizer.chat_template")
        return value if isinstance(value, str) and value.strip() else None

    @property
    def embeds(self) -> bool:
        """Whether the model is made for vectors, not for text."""
        return self.number("pooling_type") > 0 or self.get("attention.causal") is False or self.architecture.endswith("bert")


def read_header(path: str | Path, arrays: bool = False) -> Header:
    """Read and check the header of a GGUF file; of the first part of a model in several files, those of all of them.

    Parameters
    ----------
    path : str or Path
    arrays : bool
        Read the long arrays (vocabulary, merges) too.

    Raises
    ------
    ModelNotFoundError
        When there is no such file.
    BadModelFileError
        When it is not a whole GGUF file.
    """
    first = _read(Path(path), arrays)
    count, number = first.metadata.get("split.count", 1), first.metadata.get("split.no", 0)
    if not isinstance(count, int) or count < 2:
        return first
    found = PART.fullmatch(first.path.name)
    if found is None or number != 0 or int(found[3]) != count:
        what = f"{first.path} is not the first of the {count} files of its model."
        fix = f"Keep them together under their names, and load the one that ends in -00001-of-{count:05}.gguf."
        raise BadModelFileError(what, fix=fix)
    rest = [_read(first.path.with_name(f"{found[1]}-{n:05}-of-{found[3]}.gguf")) for n in range(2, count + 1)]
    tensors = (tensor for part in (first, *rest) for tensor in part.tensors)
    return replace(first, size=first.size + sum(part.size for part in rest), tensors=tuple(tensors))


def _read(path: Path, arrays: bool = False) -> Header:
    try:
        if path.is_dir():
            raise BadModelFileError(f"{path} is a folder.", fix="Give the .gguf file in it.")
        if path.exists() and not path.is_file():
            raise BadModelFileError(f"{path} is not a regular file.", fix="Give a .gguf file.")
        with path.open("rb") as stream:
            reader = Reader(path, stream, arrays)
            return Header(path, reader.size, *reader.read())
    except BadModelFileError:
        raise
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def missing(path: Path) -> ModelNotFoundError:
    """The error of a file that is not there."""
    return ModelNotFoundError(f"There is no file {path}.", "" if path.is_absolute() else f"Looked in {Path.cwd()}.")


def unreadable(path: Path, error: Exception) -> BadModelFileError:
    """The error of a file that the system does not give."""
    return BadModelFileError(f"{path} cannot be read: {error}.", fix="Check its name, its rights and the disk.")
