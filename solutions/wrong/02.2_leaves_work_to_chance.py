# Answers of any length, with the default temperature.
# points: 1
# hint: same_work
def times(model, prompt, repeats=5):
    """Seconds of each answer; a first call is not counted."""
    found = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        model.chat(prompt)
        found.append(time.perf_counter() - start)
    return found[1:]
