# Counts each occurrence of each word of the question.
# points: 1.5
# hint: recall
def retrieve(question, passages, k):
    asked = set(terms(question))
    scores = [sum(term in asked for term in terms(passage)) for passage in passages]
    ranked = sorted(range(len(passages)), key=lambda place: -scores[place])
    return [place for place in ranked if scores[place]][:k]
