# Takes the difference the wrong way round.
# points: 0.5
# hint: worse
def may_replace(old, new):
    """False where the new model is clearly worse on the same questions, else True."""
    found = lab.measure.paired_difference(old, new)
    return not (found.clear and found.estimate < 0)
