# Multiplies by the temperature instead of dividing.
# points: 1.5
# hint: temperature
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
    probabilities[kept] = softmax(logits[kept] * temperature)
    return probabilities
