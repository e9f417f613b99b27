# Asks once for the text, and once more for the time.
# points: 2
# hint: once
def timed(model, prompt, **options):
    start = time.perf_counter()
    chunks, first = 0, None
    for chunk in model.stream(prompt, **options):
        if chunk.text and first is None:
            first = time.perf_counter() - start
        chunks += 1
    total = time.perf_counter() - start
    return {"text": model.chat(prompt, **options).text, "first": first, "total": total, "chunks": chunks}
