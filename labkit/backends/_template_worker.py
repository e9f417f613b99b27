"""Render one chat template, or serve as the process that renders those of foreign files: a line of JSON in, a line of JSON out.

It imports nothing of labkit, so that the process starts fast and holds nothing worth stealing.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

OUTPUT = 4_000_000  # characters that a rendered prompt may have
MEMORY = 1_000_000_000  # bytes of address space of the process


class RefusedError(Exception):
    """The template itself refuses the conversation (raise_exception)."""


def compile_template(source: str) -> Any:
    """The template, sandboxed, with what chat templates expect to find."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks the assistant's words for training; here it changes nothing."""

        tags = {"generation"}  # noqa: RUF012 - jinja2 reads it from the class

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    def refuse(message: object) -> None:
        raise RefusedError(str(message))

    def tojson(value: Any, indent: int | None = None, **_: Any) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation], autoescape=False
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(str(form))
    return environment.from_string(source)


def render(template: Any, context: dict[str, Any]) -> str:
    """The rendered prompt, refused where it grows out of bounds."""
    parts: list[str] = []
    size, limit = 0, OUTPUT + 2 * len(json.dumps(context))
    for part in template.generate(context):
        size += len(part)
        if size > limit:
            raise OverflowError(f"its output is longer than {limit:,} characters")
        parts.append(part)
    text = "".join(parts)
    text.encode("utf-8")  # half a character is no text
    return text


def answer(source: str, context: dict[str, Any]) -> dict[str, str]:
    """`{"text"}`, `{"refused"}` or `{"error"}`."""
    try:
        return {"text": render(compile_template(source), context)}
    except RefusedError as error:
        return {"refused": str(error)[:500]}
    except RecursionError:
        return {"error": "it calls itself too deeply"}
    except MemoryError:
        return {"error": "it wants too much memory"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}


def main() -> None:
    """Serve until the input ends."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # Windows, or a system that does not allow it: time and output stay limited
    for line in sys.stdin.buffer:
        work = json.loads(line)
        sys.stdout.buffer.write(json.dumps(answer(work["source"], work["context"])).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
