# Takes the time at every chunk: the last one stays.
# points: 2
# hint: first_only
def timed(model, prompt, **options):
    """The text of an answer, and when it came."""
    text, chunks, first = "", 0, None
    start = time.perf_counter()
    for chunk in model.stream(prompt, **options):
        first = time.perf_counter() - start
        text += chunk.text
        chunks += 1
    return {"text": text, "first": first, "total": time.perf_counter() - start, "chunks": chunks}
