# Knows that the deadline passed, and loses the text.
# points: 1
# hint: keep_partial
def read_within(model, prompt, seconds, **options):
    """What arrives within the deadline, and whether it is complete."""
    try:
        return {"text": model.chat(prompt, timeout=seconds, **options).text, "complete": True}
    except errors.GenerationTimeoutError:
        return {"text": "", "complete": False}
