# Leaves failed questions out of n: a model that often fails looks better.
# points: 3
# hint: counts_failures
def compare(models, questions):
    """A row for each model: model, n, right, errors, seconds."""
    rows = []
    for model in models:
        row, seconds = {"model": model.name, "n": 0, "right": 0, "errors": 0}, []
        for prompt, expected in questions:
            start = time.perf_counter()
            try:
                reply = model.chat(prompt, **SAME)
            except lab.LabError:
                row["errors"] += 1
                continue
            row["n"] += 1
            seconds.append(time.perf_counter() - start)
            row["right"] += is_right(reply.text, expected)
        rows.append(row | {"seconds": statistics.median(seconds) if seconds else None})
    return rows
