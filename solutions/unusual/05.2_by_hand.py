# Calls next() by hand and cancels from outside the loop.
def read_until(model, prompt, characters, **options):
    stream, pieces = model.stream(prompt, **options), []
    while sum(map(len, pieces)) < characters:
        chunk = next(stream, None)
        if chunk is None:
            break
        pieces.append(chunk.text)
    stream.close()
    return "".join(pieces)
