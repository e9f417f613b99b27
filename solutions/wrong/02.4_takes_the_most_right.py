# The larger number wins, however few the questions.
# points: 0.5
# hint: not_shown
def conclusion(rows):
    best = max(rows, key=lambda row: row["right"] / row["n"])
    return {"model": best["model"], "shown": True}
