"""``python -m labkit.zoo evaluate NAME``: judge a shipped model and write its card."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, or `words` instead of it."""
    parser = argparse.ArgumentParser(prog="python -m labkit.zoo", description=__doc__)
    parser.add_argument("step", choices=("evaluate",))
    parser.add_argument("name")
    parser.add_argument("--samples", type=int, default=300, help="of each skill and language")
    arguments = parser.parse_args(words)
    from .training.evaluate import write_card

    write_card(arguments.name, arguments.samples)


if __name__ == "__main__":
    main()
