# Reads to the end, then cuts the text.
# points: 0.5
# hint: read_on
def read_until(model, prompt, characters, **options):
    return model.chat(prompt, **options).text[:characters]
