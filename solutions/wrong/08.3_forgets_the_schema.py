# Does not give the schema to the engine.
# points: 0
# hint: schema
def record(model, text, schema):
    """What the model reads out of the text as a dict, or None where a person must look."""
    reply = model.chat(text, temperature=0)
    try:
        found = json.loads(reply.text)
    except ValueError:
        return None
    if reply.finish_reason != "stop" or not isinstance(found, dict):
        return None
    return found if all(str(value) in text for value in found.values()) else None
