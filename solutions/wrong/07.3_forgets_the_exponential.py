# Divides the mean logarithms.
# points: 0.5
# hint: perplexity
def cost(original, copy, pairs):
    """Perplexity of the copy divided by that of the original, over all tokens of all answers."""

    def surprise(model):
        return -np.concatenate([lab.measure.token_logprobs(model, prompt, text) for prompt, text in pairs]).mean()

    return float(surprise(copy) / surprise(original))
