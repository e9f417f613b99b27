# Any loss keeps the model out.
# points: 0.5
# hint: luck
def may_replace(old, new):
    """False where the new model is clearly worse on the same questions, else True."""
    return sum(new) >= sum(old)
