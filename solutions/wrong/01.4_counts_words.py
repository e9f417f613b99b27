# Takes words for tokens.
# points: 3
# hint: count
def first_answer(name, question, max_tokens):
    reply = lab.load(name).chat(question, temperature=0, max_tokens=max_tokens)
    return {"text": reply.text, "tokens": max(1, len(reply.text.split())), "finish_reason": reply.finish_reason}
