# Takes the mean of each answer's perplexity.
# points: 1.5
# hint: pooled
def cost(original, copy, pairs):
    """Perplexity of the copy divided by that of the original, over all tokens of all answers."""

    def surprise(model):
        return sum(lab.measure.perplexity(model, prompt, text) for prompt, text in pairs) / len(pairs)

    return surprise(copy) / surprise(original)
