# Fills up to k with passages that share nothing.
# points: 1.5
# hint: how_many
def retrieve(question, passages, k):
    """The places of the k best passages, best first."""
    known = [set(terms(passage)) for passage in passages]

    def weight(term):
        holders = sum(term in passage for passage in known)
        return math.log(1 + len(passages) / holders) if holders else 0

    scores = [sum(weight(term) for term in set(terms(question)) & passage) for passage in known]
    ranked = sorted(range(len(passages)), key=lambda place: -scores[place])
    return ranked[:k]
