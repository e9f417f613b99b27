# Does not pass max_tokens on.
# points: 3
# hint: limit
def first_answer(name, question, max_tokens):
    reply = lab.load(name).chat(question, temperature=0)
    return {"text": reply.text, "tokens": reply.usage.completion_tokens, "finish_reason": reply.finish_reason}
