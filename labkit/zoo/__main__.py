"""``python -m labkit.zoo evaluate NAME``: judge a shipped model and write its card. ``… export NAME``: as a Hugging Face or ONNX folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import status_of


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, or `words` instead of it."""
    parser = argparse.ArgumentParser(prog="python -m labkit.zoo", description=__doc__)
    parser.add_argument("step", choices=("evaluate", "export"))
    parser.add_argument("name")
    parser.add_argument("--samples", type=int, default=300, help="evaluate: of each skill and language")
    parser.add_argument("--skill", action="append", default=[], help="evaluate: this skill alone, or several; the rest of the card stays")
    parser.add_argument("--out", type=Path, help="export: the folder to write (default: build/NAME)")
    parser.add_argument("--onnx", type=Path, help="export: also write a folder for ONNX Runtime GenAI here; needs the extra onnx")
    arguments = parser.parse_args(words)
    if arguments.step == "evaluate":
        from .training.evaluate import write_card

        write_card(arguments.name, arguments.samples, arguments.skill)
    else:
        export(arguments.name, arguments.out or Path("build", arguments.name), arguments.onnx)


def export(name: str, folder: Path, onnx: Path | None) -> None:
    """Write a shipped chat model as a Hugging Face folder, and as an ONNX one where that is asked for.

    Raises
    ------
    LabError
        The model is none of the chat models, or what converts it is absent.
    """
    from .. import settings
    from ..errors import MissingDependencyError, OptionError
    from . import catalog

    if catalog.card(name).kind != "chat":
        raise OptionError(f"{name} is no chat model; its GGUF file alone is shipped.", fix="Give one of: mini-s, mini-m, mini-l.")
    try:
        from .training import huggingface
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{error.name} is absent.", fix=settings.command_for("train")) from None
    print(huggingface.to_folder(catalog.path(name), folder))
    if onnx:
        print(huggingface.to_onnx(folder, onnx))


if __name__ == "__main__":
    sys.exit(status_of(main, "labkit.zoo"))
