# Keeps all chunks, each with the time at which it came.
def timed(model, prompt, **options):
    start = time.monotonic()
    came = [(time.monotonic() - start, str(chunk)) for chunk in model.stream(prompt, **options)]
    total = time.monotonic() - start
    text = "".join(piece for _, piece in came)
    return {"chunks": len(came), "total": total, "first": came[0][0] if came else None, "text": text, "speed": 0}
