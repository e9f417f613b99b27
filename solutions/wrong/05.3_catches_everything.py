# Takes every error for a deadline.
# points: 1.5
# hint: only_the_deadline
def read_within(model, prompt, seconds, **options):
    """What arrives within the deadline, and whether it is complete."""
    try:
        return {"text": model.chat(prompt, timeout=seconds, **options).text, "complete": True}
    except errors.LabError as error:
        return {"text": getattr(error, "partial", ""), "complete": False}
