# Keeps the signs, so that everything cancels.
# points: 0
# hint: moved
def moved(before, after):
    """The share of probability that lies elsewhere now, from 0 to 1."""
    return sum(before.get(token, 0) - after.get(token, 0) for token in set(before) | set(after)) / 2
