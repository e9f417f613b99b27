# Asks the model when nothing was found, too.
# points: 2.5
# hint: nothing_found
def answer(model, question, passages, k, lang):
    """An answer from the k best passages, with its sources."""
    places = retrieve(question, passages, k)
    messages = lab.prompts.with_passages(question, [passages[place] for place in places], lang)
    text = model.chat(messages, temperature=0).text
    found = citations(text, len(places))
    return {"text": text, "sources": [places[number - 1] for number in found["sources"]], "invented": found["invented"]}
