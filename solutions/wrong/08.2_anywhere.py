# Takes the word anywhere in the text.
# points: 1
# hint: counted
def obedience(model, questions, rule, word):
    """The share of answers that begin with the word, without the rule and with it."""

    def share(system):
        texts = [model.chat(question, system=system, temperature=0).text for question in questions]
        return sum(word.lower() in text.lower() for text in texts) / len(texts)

    return {"without": share(""), "with": share(rule)}
