# Sends an empty system message.
# points: 1
# hint: no_rule
def conversation(rule, examples, question):
    """The messages, in the order in which a model should read them."""
    messages = [{"role": "system", "content": rule}]
    for asked, said in examples:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return [*messages, {"role": "user", "content": question}]
