# Streams, and calls itself with one try less.
def ask_again(model, prompt, tries=3, pause=0.1, **options):
    if tries == 1:
        return model.chat(prompt, **options)
    with model.stream(prompt, **options) as stream:
        try:
            return stream.finish()
        except LookupError:
            raise
        except MAY_PASS:
            pass
    time.sleep(pause)
    return ask_again(model, prompt, tries - 1, pause, **options)
