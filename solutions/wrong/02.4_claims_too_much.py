# Takes the right model, but always calls it shown.
# points: 0.5
# hint: not_shown
def conclusion(rows):
    """Which model to take, and whether it is shown to be better than every other."""
    best = max(rows, key=lambda row: row["right"] / row["n"])
    floor = interval(best["right"], best["n"])[0]
    not_worse = [row for row in rows if interval(row["right"], row["n"])[1] >= floor]
    return {"model": min(not_worse, key=lambda row: row["seconds"])["model"], "shown": True}
