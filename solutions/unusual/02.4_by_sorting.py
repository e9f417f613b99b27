# Sorts by time and takes the first whose interval reaches the best one's.
def conclusion(rows):
    shares = {row["model"]: (row["right"] / row["n"], *interval(row["right"], row["n"])) for row in rows}
    floor = max(shares.values())[1]
    left = [row["model"] for row in sorted(rows, key=lambda row: row["seconds"]) if not shares[row["model"]][2] < floor]
    return {"shown": not left[1:], "model": left[0], "because": shares}
