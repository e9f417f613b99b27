# Asks again after every error, also where that cannot help.
# points: 2.5
# hint: cannot_pass
def ask_again(model, prompt, tries=3, pause=0.1, **options):
    """Ask, and ask again after a failure that may pass; return the reply."""
    for attempt in range(1, tries + 1):
        try:
            return model.chat(prompt, **options)
        except errors.LabError:
            if attempt == tries:
                raise
            time.sleep(pause)
