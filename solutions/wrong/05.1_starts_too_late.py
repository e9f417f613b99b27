# Starts the clock when the first chunk is there.
# points: 2
# hint: clock_starts
def timed(model, prompt, **options):
    text, chunks, start, first = "", 0, None, None
    for chunk in model.stream(prompt, **options):
        if start is None:
            start = time.perf_counter()
            first = time.perf_counter() - start
        text += chunk.text
        chunks += 1
    return {"text": text, "first": first, "total": time.perf_counter() - start if start else 0.0, "chunks": chunks}
