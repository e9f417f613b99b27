# All in one list of pairs.
def conversation(rule, examples, question):
    pairs = [("system", rule)] * bool(rule) + [pair for asked, said in examples for pair in (("user", asked), ("assistant", said))]
    return [{"content": content, "role": role} for role, content in [*pairs, ("user", question)]]
