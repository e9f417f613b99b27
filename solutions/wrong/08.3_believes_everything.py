# Takes every record.
# points: 1
# hint: invented
def record(model, text, schema):
    """What the model reads out of the text as a dict, or None where a person must look."""
    return json.loads(model.chat(text, schema=schema, temperature=0).text)
