# Leaves the temperature as it is, so chance decides.
# points: 3
# hint: same
def first_answer(name, question, max_tokens):
    reply = lab.load(name).chat(question, max_tokens=max_tokens)
    return {"text": reply.text, "tokens": reply.usage.completion_tokens, "finish_reason": reply.finish_reason}
