# Leaves the temperature as it is.
# points: 0
# hint: calm
def obedience(model, questions, rule, word):
    """The share of answers that begin with the word, without the rule and with it."""

    def share(system):
        texts = [model.chat(question, system=system).text for question in questions]
        return sum(text.lstrip().startswith(word) for text in texts) / len(texts)

    return {"without": share(""), "with": share(rule)}
