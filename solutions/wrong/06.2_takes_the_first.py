# Takes the first k passages, whatever is asked.
# points: 0
# hint: how_many
def retrieve(question, passages, k):
    return list(range(min(k, len(passages))))
