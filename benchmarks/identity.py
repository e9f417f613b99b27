"""The same weights in three engines: do they read the same tokens and write the same text? ``python -m benchmarks.identity``

Prompts of every skill in both languages, held out from training, answered greedily by llama-cpp-python, by a real Ollama (whose own
tokens are read back from its `context`) and by ONNX Runtime GenAI (from the folder that ``python -m labkit.zoo export NAME --onnx``
writes, in 32-bit numbers). What differs is listed with the place where the texts fork and how near the two tokens were there: where
two are almost equally likely, the last bit of a sum decides. The embedding model is compared by cosine. An engine that is not
installed is named as left out.

    python -m benchmarks.identity                            mini-l, mini-m, mini-s and mini-embed
    python -m benchmarks.identity mini-m --prompts 100
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np

import labkit as lab
from labkit.backends.ollama_wordpiece import unreadable
from labkit.zoo import catalog
from labkit.zoo.training import evaluate, huggingface, tokenizer
from labkit.zoo.training.sample import END, render
from labkit.zoo.training.skills import EVALUATIONS

from .sweep import serve

TOKENS = 80
Ask = Callable[[str], tuple[list[int], str]]  # a rendered prompt to its token ids and the text that follows


def prompts(count: int) -> list[str]:
    """So many rendered prompts, in turn of every skill and language."""
    cells = [(skill, lang) for skill in EVALUATIONS for lang in ("en", "es")]
    each = -(-count // len(cells))
    found = [[render(s.messages) for s in evaluate.samples(skill, lang, each)] for skill, lang in cells]
    return [one[row] for row in range(each) for one in found if row < len(one)][:count]


class InProcess:
    """llama-cpp-python, which also says how near the second choice was."""

    def __init__(self, file: Path) -> None:
        import llama_cpp

        self.llama = llama_cpp.Llama(str(file), n_ctx=1024, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False)

    def ids(self, text: str) -> list[int]:
        """Token ids of a text with control tokens."""
        return list(self.llama.tokenize(text.encode(), add_bos=False, special=True))

    def __call__(self, prompt: str) -> tuple[list[int], str]:
        ids = self.ids(prompt)
        reply: Any = self.llama.create_completion(ids, temperature=0, top_k=1, repeat_penalty=1.0, max_tokens=TOKENS)
        return ids, reply["choices"][0]["text"]

    def margin(self, prompt: str, ours: str, theirs: str) -> float:
        """Difference of the two highest logits where the tokens of two answers part."""
        pairs = zip(self.ids(ours), self.ids(theirs), strict=False)
        same = [one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
        self.llama.reset()
        self.llama.eval(self.ids(prompt) + same)
        last = np.sort(np.asarray(self.llama.scores[self.llama.n_tokens - 1]))
        return float(last[-1] - last[-2])


def in_ollama(server: lab.OllamaServer, name: str, first: InProcess) -> Ask:
    """Ask it the rendered prompt as it stands; its `context` holds the tokens of prompt and answer."""
    server.create(name, from_=catalog.path(name), template="{{ .Prompt }}")
    options = {"temperature": 0, "top_k": 1, "repeat_penalty": 1.0, "num_predict": TOKENS, "num_ctx": 1024, "num_thread": 1}

    def ask(prompt: str) -> tuple[list[int], str]:
        body = {"model": name, "prompt": prompt, "stream": False, "options": options}
        answer = httpx.post(f"{server.url}/api/generate", json=body, timeout=120).raise_for_status().json()
        all_ids, written = answer["context"], len(first.ids(answer["response"]))
        return all_ids[: len(all_ids) - written] if written else all_ids, answer["response"]

    return ask


def in_onnx(folder: Path) -> Ask:
    """ONNX Runtime GenAI on the folder that our export wrote."""
    import onnxruntime_genai as og

    model = og.Model(str(folder))
    words = og.Tokenizer(model)

    def ask(prompt: str) -> tuple[list[int], str]:
        ids = list(words.encode(prompt))
        params = og.GeneratorParams(model)
        params.set_search_options(do_sample=False, max_length=len(ids) + TOKENS)
        generator = og.Generator(model, params)
        generator.append_tokens(ids)
        new: list[int] = []
        while not generator.is_done():
            generator.generate_next_token()
            new.append(int(generator.get_next_tokens()[0]))
        ends = {int(words.encode(mark)[0]) for mark in (END, tokenizer.END_OF_TEXT)}
        return [int(one) for one in ids], words.decode(list(itertools.takewhile(lambda token: token not in ends, new)))

    return ask


def compare(name: str, first: InProcess, others: dict[str, Ask], texts: list[str]) -> None:
    """Print how many prompts each other engine reads and answers alike, and every difference."""
    for engine, ask in others.items():
        ids = same = 0
        differences = []
        for prompt in texts:
            (our_ids, ours), (their_ids, theirs) = first(prompt), ask(prompt)
            ids += our_ids == list(their_ids)
            if ours.rstrip() == theirs.rstrip():  # Ollama and the others part on white space at the end alone
                same += 1
                continue
            fork = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
            one, other, margin = ours[fork:][:30], theirs[fork:][:30], first.margin(prompt, ours, theirs)
            differences.append(f"      after {ours[:fork][-30:]!r}: {one!r} against {other!r}, {margin:.3f}")
        print(f"{name}: llama-cpp-python and {engine}: token ids {ids} of {len(texts)}, greedy text {same} of {len(texts)}", flush=True)
        if differences:
            print("    the texts fork (distance of the two highest logits there):", *differences, sep="\n", flush=True)


def embeddings(server: lab.OllamaServer, name: str, texts: list[str]) -> None:
    """Print the lowest and the median cosine between the two engines' vectors."""
    server.create(name, from_=catalog.path(name))
    with lab.load(name) as here, lab.load(f"ollama:{name}@{server.url}") as there:
        ours, theirs = here.embed(texts), there.embed(texts)
    cosines = (ours * theirs).sum(1)  # both have length 1
    apart = sorted((float(cosine), text) for cosine, text in zip(cosines, texts, strict=True) if cosine < 0.999)
    alike, middle = len(texts) - len(apart), np.median(cosines)
    print(f"{name}: llama-cpp-python and Ollama: cosine at least 0.999 for {alike} of {len(texts)}, median {middle:.6f}", flush=True)
    for cosine, text in apart:
        print(
            f"      {cosine:.3f} {text[:60]!r}; signs that this Ollama cannot read: {''.join(sorted({s for s in text if unreadable(s)}))}"
        )


def plain(prompt: str, most: int = 400) -> str:
    """The question of a rendered prompt, for an embedding."""
    return prompt.split("<|im_start|>user\n")[-1].split("<|im_end|>")[0][:most]


def main() -> None:
    """Compare every engine that is here."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.identity", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["mini-l", "mini-m", "mini-s", "mini-embed"])
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--ollama", default=shutil.which("ollama"), help="the program (default: from PATH)")
    options = parser.parse_args()
    texts = prompts(options.prompts)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(serve(options.ollama)) if options.ollama else None
        onnx = not huggingface.missing_for_onnx()
        for engine in [*([] if server else ["Ollama"]), *([] if onnx else ["ONNX Runtime GenAI"])]:
            print(f"{engine} is not installed here: left out")
        for name in options.models:
            if catalog.card(name).kind == "embedding":
                if server:
                    embeddings(server, name, [plain(text) for text in texts])
                continue
            first, others = InProcess(catalog.path(name)), dict[str, Ask]()
            if server:
                others["Ollama"] = in_ollama(server, name, first)
            if onnx:
                source = huggingface.to_folder(catalog.path(name), folder / f"{name}-hf")
                others["ONNX Runtime GenAI"] = in_onnx(huggingface.to_onnx(source, folder / f"{name}-onnx"))
            compare(name, first, others, texts)


if __name__ == "__main__":
    main()
