# Forgets that a byte has eight bits.
# points: 0.5
# hint: fits
def what_fits(parameters, kinds, free, window, per_token):
    """The kind with most bits that fits, or None."""
    fitting = [name for name, bits in kinds.items() if parameters * bits + window * per_token <= free]
    return max(fitting, key=kinds.get, default=None)
