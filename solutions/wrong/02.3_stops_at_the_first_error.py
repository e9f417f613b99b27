# One failure ends the whole comparison.
# points: 3
# hint: goes_on
def compare(models, questions):
    rows = []
    for model in models:
        replies, seconds = [], []
        for prompt, _ in questions:
            start = time.perf_counter()
            replies.append(model.chat(prompt, **SAME))
            seconds.append(time.perf_counter() - start)
        right = sum(is_right(reply.text, expected) for reply, (_, expected) in zip(replies, questions, strict=True))
        rows.append({"model": model.name, "n": len(questions), "right": right, "errors": 0, "seconds": statistics.median(seconds)})
    return rows
