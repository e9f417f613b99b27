# Sets dropped tokens to 0 and leaves the rest as it was.
# points: 1
# hint: not_one
def after(logits, temperature, top_k, top_p):
    """The probability of each token to be drawn."""
    logits = np.array(logits, dtype=float)
    order = np.argsort(-logits)
    if temperature == 0:
        top_k, temperature = 1, 1.0
    kept = order[: top_k or None]
    sums = np.cumsum(softmax(logits[kept]))
    if top_p < 1:
        kept = kept[: np.searchsorted(sums, top_p) + 1]
    probabilities = np.zeros(len(logits))
    probabilities[kept] = softmax(logits / temperature)[kept]
    return probabilities
