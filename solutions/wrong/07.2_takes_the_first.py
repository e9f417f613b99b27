# Takes the first that fits.
# points: 0.5
# hint: most
def what_fits(parameters, kinds, free, window, per_token):
    """The kind with most bits that fits, or None."""
    for name, bits in kinds.items():
        if parameters * bits / 8 + window * per_token <= free:
            return name
    return None
