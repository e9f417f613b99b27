# Ends the stream, and cuts the text to length.
# points: 2
# hint: whole_chunks
def read_until(model, prompt, characters, **options):
    """The text so far, as soon as it has so many characters; the rest is never written."""
    with model.stream(prompt, **options) as stream:
        for _ in stream:
            if len(stream.text) >= characters:
                break
    return stream.text[:characters]
