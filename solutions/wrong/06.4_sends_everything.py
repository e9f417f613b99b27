# Gives the model all passages.
# points: 1
# hint: what_was_sent
def answer(model, question, passages, k, lang):
    """An answer from the k best passages, with its sources."""
    places = retrieve(question, passages, k)
    if not places:
        return {"text": lab.prompts.NO_ANSWER[lang], "sources": [], "invented": []}
    messages = lab.prompts.with_passages(question, passages, lang)
    text = model.chat(messages, temperature=0).text
    found = citations(text, len(places))
    return {"text": text, "sources": [places[number - 1] for number in found["sources"]], "invented": found["invented"]}
