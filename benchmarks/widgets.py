"""How fast the token lens follows its slider, and what streaming into the chat costs: python -m benchmarks.widgets [model] [steps] [pairs]

In headless Chromium on a real JupyterLab, both on this machine, with a shipped model.

- Latency: from the key that moves the temperature slider to the frame that shows the new bars, as the browser's own clock sees it.
- Overhead: the chat widget, as a ratio to a loop over `Model.stream` that shows nothing, with the same question, seed and options, in
  turn: of the generation (first token to last), and of the whole answer (from the question to the widget's rest). Beside it, as a
  peer, the same loop with `print`. Each figure is the median of the ratios of neighbouring runs. Kernel, browser and JupyterLab share
  this machine's cores, so what the browser draws costs the model its time too.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import tests.conftest  # noqa: F401 - a temporary home, before anything else of the tests
from tests.browser.chromium import chromium
from tests.browser.jupyter import Notebook, jupyterlab
from tests.browser.using import show, slider

STEPS, PAIRS, TOKENS = 100, 100, 256

CLOCK = """panel => {
    const times = panel.times = [];
    let start = 0;
    panel.addEventListener('keydown', () => { start = performance.now(); }, true);
    const drawn = begun => () => { if (start === begun) { times.push(performance.now() - begun); start = 0; } };
    new MutationObserver(() => {
        const begun = start;
        if (begun) requestAnimationFrame(() => setTimeout(drawn(begun)));  // after the frame has been painted
    }).observe(panel.querySelector('.lk-bars').parentElement, {subtree: true, childList: true});
}"""

ANSWERS = """import json, statistics, time
chat = lab.widgets.chat(model, max_tokens={tokens}, temperature=2, top_k=0, top_p=1)
question = "Tell a story about a fox."
options = dict(max_tokens={tokens}, temperature=2, top_k=0, top_p=1)
def by_widget(seed):
    chat.conversation.turns.clear()
    chat.conversation.options = lab.Options.of(chat.conversation.options, seed=seed)
    chat.question.value = question
    chat.ask(); chat.wait()
    return chat.conversation.turns[0].reply
def by_loop(seed):
    return model.stream(question, seed=seed, **options).finish()
def by_print(seed):
    stream = model.stream(question, seed=seed, **options)
    for chunk in stream: print(chunk.text, end="", flush=True)
    return stream.reply
def timed(way, seed):
    start = time.perf_counter()
    reply = way(seed)
    return reply.usage.completion_tokens, reply.timing.generation_duration, time.perf_counter() - start
chat"""

RATIOS = """from IPython.display import clear_output
for way in (by_loop, by_widget, by_print): way(0)
ratios, tokens, seconds = {{"widget": [], "print": [], "widget, whole": [], "print, whole": []}}, [], []
for seed in range(1, {pairs} + 1):
    ways = [by_loop, by_widget, by_print]
    took = {{way: timed(way, seed) for way in ways[seed % 3:] + ways[:seed % 3]}}
    assert len({{count for count, *_ in took.values()}}) == 1
    if took[by_loop][0] < 16:  # nothing to measure
        continue
    tokens.append(took[by_loop][0])
    seconds.append(took[by_loop][1])
    for way, name in ((by_widget, "widget"), (by_print, "print")):
        ratios[name].append(took[way][1] / took[by_loop][1])
        ratios[name + ", whole"].append(took[way][2] / took[by_loop][2])
clear_output()
print("RESULT" + json.dumps(ratios | {{"tokens": statistics.median(tokens), "seconds": statistics.median(seconds)}}))"""


def latency(book: Notebook, steps: int) -> list[float]:
    """Milliseconds from each key to the frame with the new bars."""
    panel = show(book, 'lab.widgets.token_lens(model, "Tell a story about a fox.", temperature=0.5, top_k=0, top_p=1)')
    panel.locator(".lk-bar").first.wait_for()
    panel.evaluate(CLOCK)
    slider(panel, "temperature").focus()
    for step in range(steps):
        book.page.keyboard.press("ArrowRight" if step % 20 < 10 else "ArrowLeft")
        book.page.wait_for_function("([panel, n]) => panel.times.length > n", arg=[panel.element_handle(), step])
    return list(panel.evaluate("panel => panel.times"))


def overhead(book: Notebook, pairs: int) -> dict[str, Any]:
    """Ratios, as the kernel measured them while the browser showed the text."""
    show(book, ANSWERS.format(tokens=TOKENS))
    text = book.do(RATIOS.format(pairs=pairs)).inner_text()
    return dict(json.loads(text[text.index("RESULT") + 6 :]))


def main(model: str = "mini-m", steps: int = STEPS, pairs: int = PAIRS) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        home, notebooks = Path(name), Path(name, "notebooks")
        notebooks.mkdir()
        with jupyterlab(home, notebooks) as lab:
            lab.write("widgets.ipynb", [""])
            book = Notebook(browser.new_page(viewport={"width": 1280, "height": 1000}), lab, "widgets.ipynb")
            book.do(f'import labkit as lab\nmodel = lab.load("{model}")')
            load = os.getloadavg()[0]
            times = sorted(latency(book, steps))
            found = overhead(book, pairs)
            lab.end_kernels()
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"token lens with {model}, key to bars: p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms, slowest {times[-1]:.0f} ms")
    print(f"  n = {len(times)} keys; load of the machine before: {load:.1f} on {os.cpu_count()} cores")
    for way, what in (("widget", "chat widget"), ("print", "print in a cell")):
        for part, of in (("", "generation"), (", whole", "whole answer")):
            each = found[way + part]
            low, middle, high = statistics.quantiles(each, n=4)
            print(f"{what} / a loop that shows nothing, {of}: {middle:.3f} (n = {len(each)}, quartiles {low:.3f} to {high:.3f})")
    print(f"  answers of {found['tokens']:.0f} tokens, generated in {found['seconds']:.2f} s (medians of the loop)")


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "mini-m", *map(int, sys.argv[2:4]))
