# Measures the first call too.
# points: 0.5
# hint: warm_up
def times(model, prompt, repeats=5):
    """Seconds of each answer; a first call is not counted."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.chat(prompt, **SAME)
        found.append(time.perf_counter() - start)
    return found
