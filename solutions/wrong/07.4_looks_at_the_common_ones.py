# Leaves out tokens that only one of them has.
# points: 1
# hint: missing_tokens
def moved(before, after):
    """The share of probability that lies elsewhere now, from 0 to 1."""
    return sum(abs(before[token] - after[token]) for token in set(before) & set(after)) / 2
