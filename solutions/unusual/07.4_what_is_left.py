# One less what both have in common.
def moved(before, after):
    return 1 - sum(min(p, after.get(token, 0)) for token, p in before.items())
