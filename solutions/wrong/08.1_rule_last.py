# Puts the rule behind the question.
# points: 0.5
# hint: order
def conversation(rule, examples, question):
    """The messages, in the order in which a model should read them."""
    messages = []
    for asked, said in examples:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    messages.append({"role": "user", "content": question})
    return messages + ([{"role": "system", "content": rule}] if rule else [])
