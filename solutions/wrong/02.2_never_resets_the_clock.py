# Each figure counts from the very beginning.
# points: 1.5
# hint: too_long
def times(model, prompt, repeats=5):
    model.chat(prompt, **SAME)
    start, found = time.perf_counter(), []
    for _ in range(repeats):
        model.chat(prompt, **SAME)
        found.append(time.perf_counter() - start)
    return found
