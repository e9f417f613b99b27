# Takes what had arrived from the stream instead of the error.
def read_within(model, prompt, seconds, **options):
    stream, complete = model.stream(prompt, options=lab.Options(timeout=float(seconds), **options)), True
    try:
        stream.finish()
    except TimeoutError:
        complete = False
    return {"complete": complete, "text": stream.text}
