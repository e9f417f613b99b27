# From the most bits down.
def what_fits(parameters, kinds, free, window, per_token):
    for bits, name in sorted(((bits, name) for name, bits in kinds.items()), reverse=True):
        if parameters * bits <= 8 * (free - window * per_token):
            return name
