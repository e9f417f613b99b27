# Never asks without the rule.
# points: 0
# hint: both_ways
def obedience(model, questions, rule, word):
    """The share of answers that begin with the word, without the rule and with it."""
    texts = [model.chat(question, system=rule, temperature=0).text for question in questions]
    return {"without": 0.0, "with": sum(text.lstrip().startswith(word) for text in texts) / len(texts)}
