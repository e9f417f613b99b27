# Returns the numbers of the prompt for places.
# points: 2
# hint: wrong_numbers
def answer(model, question, passages, k, lang):
    """An answer from the k best passages, with its sources."""
    places = retrieve(question, passages, k)
    if not places:
        return {"text": lab.prompts.NO_ANSWER[lang], "sources": [], "invented": []}
    messages = lab.prompts.with_passages(question, [passages[place] for place in places], lang)
    text = model.chat(messages, temperature=0).text
    found = citations(text, len(places))
    return {"text": text, "sources": found["sources"], "invented": found["invented"]}
