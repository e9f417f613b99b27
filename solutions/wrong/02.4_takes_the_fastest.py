# Looks at time alone.
# points: 0.5
# hint: clear
def conclusion(rows):
    return {"model": min(rows, key=lambda row: row["seconds"])["model"], "shown": False}
