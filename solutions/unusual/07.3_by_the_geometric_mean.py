# As a product of probabilities.
def cost(original, copy, pairs):
    total = tokens = 0
    for prompt, text in pairs:
        one, other = (lab.measure.token_logprobs(model, prompt, text) for model in (original, copy))
        total, tokens = total + float(one.sum() - other.sum()), tokens + len(one)
    return math.e ** (total / tokens)
