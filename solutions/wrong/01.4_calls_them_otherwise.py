# Gives the values other names.
# points: 0
# hint: first_keys
def first_answer(name, question, max_tokens):
    reply = lab.load(name).chat(question, temperature=0, max_tokens=max_tokens)
    return {"answer": reply.text, "count": reply.usage.completion_tokens, "reason": reply.finish_reason}
