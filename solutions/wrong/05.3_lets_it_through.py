# Does not expect the deadline to pass.
# points: 1
# hint: no_error
def read_within(model, prompt, seconds, **options):
    return {"text": model.chat(prompt, timeout=seconds, **options).text, "complete": True}
