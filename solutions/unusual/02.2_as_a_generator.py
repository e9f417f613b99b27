# Reads the time from the replies' own timing, through a stream.
def times(model, prompt, repeats=5):
    def one():
        start = time.perf_counter()
        for _ in model.stream(prompt, **SAME):
            pass
        return time.perf_counter() - start

    _, *found = (one() for _ in range(repeats + 1))
    return found
