# Waits for the whole reply and calls that one chunk.
# points: 0
# hint: chunks
def timed(model, prompt, **options):
    start = time.perf_counter()
    reply = model.chat(prompt, **options)
    total = time.perf_counter() - start
    return {"text": reply.text, "first": total, "total": total, "chunks": 1}
