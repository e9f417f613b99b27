# Asks many at once.
def obedience(model, questions, rule, word):
    rows = {}
    for key, before in (("with", [lab.Message("system", rule)]), ("without", [])):
        replies = model.generate_many([[*before, lab.Message("user", q)] for q in questions], temperature=0)
        rows[key] = sum(reply.text.strip()[: len(word)] == word for reply in replies) / len(replies)
    return rows
