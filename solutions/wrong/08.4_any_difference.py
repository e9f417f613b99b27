# Refuses what is clearly different, better too.
# points: 0.5
# hint: better
def may_replace(old, new):
    """False where the new model is clearly worse on the same questions, else True."""
    return not lab.measure.paired_difference(new, old).clear
