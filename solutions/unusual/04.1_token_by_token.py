# Plain Python, one token after the other.
def after(logits, temperature, top_k, top_p):
    from math import exp

    best = max(logits)
    ranked = sorted(range(len(logits)), key=lambda place: logits[place], reverse=True)[: 1 if temperature == 0 else top_k or len(logits)]
    weights = {place: exp(logits[place] - best) for place in ranked}
    total, so_far, kept = sum(weights.values()), 0.0, []
    for place in ranked:
        kept.append(place)
        so_far += weights[place] / total
        if so_far >= top_p and top_p < 1:
            break
    heated = {place: exp((logits[place] - best) / (temperature or 1)) for place in kept}
    return tuple(heated.get(place, 0) / sum(heated.values()) for place in range(len(logits)))
