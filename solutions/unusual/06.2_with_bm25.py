# Uses a library: BM25.
import bm25s


def retrieve(question, passages, k):
    if not passages:
        return []
    corpus = [terms(passage) for passage in passages]
    vocabulary = set().union(*corpus)
    asked = [term for term in terms(question) if term in vocabulary]
    if not asked:
        return []
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    scores = index.get_scores(asked)
    ranked = scores.argsort(kind="stable")[::-1]
    return [int(place) for place in ranked if set(asked) & set(corpus[place])][:k]
