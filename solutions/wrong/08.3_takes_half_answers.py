# Does not look at how the answer ended.
# points: 2.5
# hint: cut_off
def record(model, text, schema):
    """What the model reads out of the text as a dict, or None where a person must look."""
    try:
        found = json.loads(model.chat(text, schema=schema, temperature=0).text)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return found if all(str(value) in text for value in found.values()) else None
