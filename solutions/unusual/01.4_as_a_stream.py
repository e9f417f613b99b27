# Reads the answer as a stream, and takes the likeliest token by top_k instead of by temperature.
def first_answer(name, question, max_tokens):
    import sys

    llm = lab.load(name)
    stream = llm.stream([{"role": "user", "content": question}], top_k=1, max_tokens=max_tokens)
    text = "".join(chunk.text for chunk in stream)
    print("done", file=sys.stderr)
    reply = stream.reply
    return {"finish_reason": reply.finish_reason, "tokens": reply.usage.completion_tokens, "text": text}
