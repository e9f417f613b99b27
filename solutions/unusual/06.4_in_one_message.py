# Writes the prompt by hand, and streams.
def answer(model, question, passages, k, lang):
    found = dict(enumerate(retrieve(question, passages, k), 1))
    text = lab.prompts.NO_ANSWER[lang]
    if found:
        lines = [f"[{n}] {passages[place]}" for n, place in found.items()]
        with model.stream("\n".join([*lines, question]), system="Cite, like [1].", temperature=0) as stream:
            text = "".join(chunk.text for chunk in stream)
    cites = citations(text, len(found)) if found else {"sources": [], "invented": []}
    return {"text": text, "sources": tuple(found[n] for n in cites["sources"]), "invented": cites["invented"]}
