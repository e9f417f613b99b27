# One reason after the other.
def record(model, text, schema):
    reply = model.chat([lab.Message("user", text)], options=lab.Options(schema=schema, temperature=0))
    if reply.finish_reason == "length":
        return None
    try:
        found = dict(json.loads(reply.text).items())
    except (ValueError, AttributeError):
        return None
    for value in found.values():
        if f"{value}" not in text:
            return None
    return found
