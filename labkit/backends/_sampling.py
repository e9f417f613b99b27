"""The sampler chain of one reply, in llama.cpp's own order, from `Options`."""

from __future__ import annotations

import ctypes
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..chat import Options
from ..errors import OptionError, UnexpectedResponseError
from ._library import quiet
from ._llama import Engine

MOST = 1000  # how far a grammar counts; llama.cpp's limit is a little higher
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.I)
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")


class Sampler:
    """Draws the next token of one reply; holds memory of llama.cpp until `free`.

    Parameters
    ----------
    engine : Engine
    options : Options
        With a seed.
    prompt : sequence of int
        The penalties look back into the prompt too, as in llama.cpp's own programs.
    careful : bool
        Look at the logits first: those of a foreign file may be no numbers, which the samplers do not expect.
    """

    def __init__(self, engine: Engine, options: Options, prompt: Sequence[int], careful: bool = False) -> None:
        lib = engine.lib
        self._engine, self._lib, self._careful = engine, lib, careful
        self._grammar = _grammar(engine, options.schema) if options.schema is not None else None
        self.chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        self.names: list[str] = ["grammar"] if self._grammar else []
        self._suppress()
        back = engine.window if options.repeat_last_n < 0 else min(options.repeat_last_n, engine.window)
        if back and (options.repeat_penalty != 1 or options.frequency_penalty or options.presence_penalty):
            penalties = (_finite(options.repeat_penalty), options.frequency_penalty, options.presence_penalty)
            self._add("penalties", lib.llama_sampler_init_penalties(*_penalty_size(lib, engine.vocabulary), back, *penalties))
            for token in prompt[-back:]:
                lib.llama_sampler_accept(self.chain, token)
        if options.temperature == 0:
            self._add("greedy", lib.llama_sampler_init_greedy())
        else:
            if options.top_k:
                self._add("top_k", lib.llama_sampler_init_top_k(min(options.top_k, 2**31 - 1)))
            if options.top_p < 1:
                self._add("top_p", lib.llama_sampler_init_top_p(options.top_p, 1))
            if options.min_p > 0:
                self._add("min_p", lib.llama_sampler_init_min_p(options.min_p, 1))
            self._add("temperature", lib.llama_sampler_init_temp(_finite(options.temperature)))
            self._add("dist", lib.llama_sampler_init_dist(options.seed))
        self._candidates = _Candidates(engine) if self._grammar else None

    def _add(self, name: str, sampler: Any) -> None:
        self._lib.llama_sampler_chain_add(self.chain, sampler)
        self.names.append(name)

    def _suppress(self) -> None:
        """Tokens that the file says shall never be drawn, such as those that stand for a picture."""
        lib, count = self._lib, ctypes.c_int32()
        if not hasattr(lib, "llama_vocab_get_suppress_tokens"):  # before 0.3.36
            return
        tokens = lib.llama_vocab_get_suppress_tokens(self._engine.vocab, ctypes.byref(count))
        if count.value:
            never = (lib.llama_logit_bias * count.value)(*((tokens[i], -math.inf) for i in range(count.value)))
            self._add("suppress", lib.llama_sampler_init_logit_bias(self._engine.vocabulary, count.value, never))

    def next(self) -> int:
        """The next token, from the logits that the engine has just computed."""
        if self._careful:
            _check_finite(self._engine)
        if self._candidates is None:
            return self._engine.sample(self.chain)
        token = self._candidates.draw(self._grammar, self.chain)
        self._lib.llama_sampler_accept(self._grammar, token)
        self._lib.llama_sampler_accept(self.chain, token)
        return token

    def free(self) -> None:
        """Give the memory back."""
        chain, grammar, self.chain, self._grammar = self.chain, self._grammar, None, None
        if chain:
            self._lib.llama_sampler_free(chain)
        if grammar:
            self._lib.llama_sampler_free(grammar)


def _finite(value: float) -> float:
    """A positive number that stays one among llama.cpp's, which have 32 bits."""
    return min(max(value, 1e-30), 1e30)


def _penalty_size(lib: Any, vocabulary: int) -> tuple[int, ...]:
    return (vocabulary,) if len(lib.llama_sampler_init_penalties.argtypes) == 5 else ()


def _check_finite(engine: Engine) -> None:
    import numpy as np

    if not np.isfinite(np.ctypeslib.as_array(engine.logits(), (engine.vocabulary,))).all():
        what = "The model computes no numbers any more (NaN or infinity)."
        raise UnexpectedResponseError(what, "Its weights are damaged.", "Get the file again.")


class _Candidates:
    """The vocabulary as llama.cpp's samplers see it.

    llama_sampler_sample would do, but where no token fits the grammar it draws one all the same, and the grammar then ends the process.
    """

    def __init__(self, engine: Engine) -> None:
        import numpy as np

        self._engine, self._np = engine, np
        self._ids = np.arange(engine.vocabulary, dtype=np.int32)
        self._all = np.zeros(engine.vocabulary, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])

    def draw(self, grammar: Any, chain: Any) -> int:
        lib, np = self._engine.lib, self._np
        self._all["id"] = self._ids
        self._all["logit"] = np.ctypeslib.as_array(self._engine.logits(), (self._engine.vocabulary,))
        self._all["p"] = 0
        data = self._all.ctypes.data_as(lib.llama_token_data_p)
        array = lib.llama_token_data_array(data=data, size=len(self._all), selected=-1, sorted=False)
        lib.llama_sampler_apply(grammar, ctypes.byref(array))
        if not np.isfinite(self._all["logit"]).any():
            cause = "The schema asks for what the model cannot write."
            raise UnexpectedResponseError("No token of the vocabulary continues this JSON.", cause)
        lib.llama_sampler_apply(chain, ctypes.byref(array))
        if not 0 <= array.selected < array.size:
            raise UnexpectedResponseError("llama.cpp's samplers chose no token.")
        return int(array.data[array.selected].id)


def _grammar(engine: Engine, schema: Any) -> Any:
    import llama_cpp.llama_grammar as converter

    try:
        if schema != "json":
            _check_counts(schema)
        text = converter.JSON_GBNF if schema == "json" else converter.json_schema_to_gbnf(json.dumps(schema))
        text = _PAIR.sub(_whole, text)
    except RecursionError:
        raise OptionError("The JSON schema is nested too deeply.", fix="Make it flatter.") from None
    except OptionError:
        raise
    except Exception as error:  # the converter raises bare exceptions and assertions
        what = f"The JSON schema cannot be turned into a grammar: {error!r}."
        raise OptionError(what, fix="Use plain types, enum, items and properties.") from None
    with quiet():
        grammar = engine.lib.llama_sampler_init_grammar(engine.vocab, text.encode("utf-8"), b"root")
    if not grammar:
        raise OptionError("llama.cpp refuses the grammar of this JSON schema.", "A count in it is too large, or it refers to itself.")
    return grammar


def _whole(pair: re.Match[str]) -> str:
    """A character beyond 16 bits, as one: the converter writes two halves, which a grammar takes for two characters."""
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _check_counts(schema: Any) -> None:
    """Refuse counts for which the converter would write out a grammar of gigabytes."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            counts = [value] if key in _COUNTS else re.findall(r"\d+", value) if key == "pattern" and isinstance(value, str) else []
            for count in counts:
                if isinstance(count, int | float | str) and float(count) > MOST:
                    raise OptionError(
                        f"The JSON schema has {key}={value!r}.", f"A grammar can count to {MOST}.", "Leave it out, or ask for less."
                    )
            if key == "pattern" and isinstance(value, str) and any(map(_may_be_empty, _counted_groups(value))):
                raise OptionError(
                    f"The JSON schema has {key}={value!r}.",
                    "A counted group in it may be empty: llama.cpp would try every way to share a text among so many, for minutes.",
                    "Let the group hold at least one character, or use an array with maxItems.",
                )
            _check_counts(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            _check_counts(value)


def _counted_groups(pattern: str) -> Iterator[str]:
    """The groups of a pattern that a count follows: "(ab)" of "^(ab){2,5}$"."""
    starts: list[int] = []
    for mark in re.finditer(r"\\.|\[(?:\\.|[^\]])*\]|\(|\)\{?", pattern, re.DOTALL):
        if mark[0] == "(":
            starts.append(mark.start())
        elif mark[0].startswith(")") and starts:
            start = starts.pop()
            if mark[0] == "){":
                yield pattern[start : mark.start() + 1]


def _may_be_empty(group: str) -> bool:
    try:
        return bool(re.fullmatch(group, ""))
    except (re.error, RecursionError):  # the converter says what is wrong with it
        return False
