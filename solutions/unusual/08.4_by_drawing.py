# Draws by hand.
def may_replace(old, new):
    import numpy as np

    apart = np.array(new) - np.array(old)
    draws = np.random.default_rng(1).choice(apart, (5000, len(apart)))
    return bool(np.quantile(draws.mean(axis=1), 0.975) >= 0)
