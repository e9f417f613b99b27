# Divides the original by the copy.
# points: 0.5
# hint: turned
def cost(original, copy, pairs):
    """Perplexity of the copy divided by that of the original, over all tokens of all answers."""

    def surprise(model):
        return -np.concatenate([lab.measure.token_logprobs(model, prompt, text) for prompt, text in pairs]).mean()

    return math.exp(surprise(original) - surprise(copy))
