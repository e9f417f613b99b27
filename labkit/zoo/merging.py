"""A shipped model that comes as two files, weights and an adapter (LoRA): put together once, and kept in labkit's cache.

All else then reads one file as of any other model: llama.cpp, its quantizer, Ollama, the exports. An adapter is what llama.cpp takes as
one, a GGUF file with two thin matrices for each matrix W that it changes: W + alpha / rank · B·A.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import BadModelFileError
from .cached import beside

KEY = "adapter.lora.alpha"


def merge(weights: Path, adapter: Path, out: Path) -> None:
    """Write the file of a model together with an adapter of it.

    B·A is added up in float32, one rank after another, which gives the same bytes on every machine; a product of matrices would not.

    Parameters
    ----------
    weights : Path
        GGUF file with 16 or 32 bits for each number of the matrices that the adapter changes.
    adapter : Path
        GGUF file of a LoRA.
    out : Path
        Where to put it: whole or not at all.

    Raises
    ------
    ModelNotFoundError, BadModelFileError
        When a file is absent or damaged, or the two do not belong together.
    OptionError, LabError
        When `out` cannot be written.
    """
    import numpy as np

    from ..backends.gguf import read_header

    model, thin = read_header(weights), read_header(adapter)
    content, changes = bytearray(weights.read_bytes()), adapter.read_bytes()
    types = {"F16": "<f2", "F32": "<f4"}

    def numbers(header: Any, tensor: Any, source: bytes | bytearray) -> Any:
        if tensor.type not in types:
            raise BadModelFileError(
                f"{header.path.name} cannot be merged: {tensor.name} is {tensor.type}.", fix="Take the F16 file of the model."
            )
        return np.frombuffer(source, types[tensor.type], tensor.count, header.data + tensor.offset).reshape(tensor.shape[::-1])

    matrices, thins = ({tensor.name: tensor for tensor in header.tensors} for header in (model, thin))
    names = {name.removesuffix(".lora_a").removesuffix(".lora_b") for name in thins}
    for name in sorted(names):
        found = [matrices.get(name), thins.get(f"{name}.lora_a"), thins.get(f"{name}.lora_b")]
        sizes = [tensor.shape if tensor and len(tensor.shape) == 2 else (0, 0) for tensor in found]
        (width, height), (into, rank), (back, out_of) = sizes
        fits = None not in found and rank and (width, height, rank) == (into, out_of, back)
        if not fits or not isinstance(thin.metadata.get(KEY), float):
            what = f"{adapter.name} is no adapter of {weights.name}: {name} does not fit."
            raise BadModelFileError(what, "They are of two models, or one is of another version.", "Get both again from where they came.")
        whole, a, b = numbers(model, found[0], content), numbers(thin, found[1], changes), numbers(thin, found[2], changes)
        change = np.zeros(whole.shape, np.float32)
        for one in range(rank):
            change += b[:, one, None].astype(np.float32) * a[one].astype(np.float32)
        whole[...] = whole.astype(np.float32) + np.float32(thin.metadata[KEY] / rank) * change
    with beside(out) as part:
        part.write_bytes(content)
