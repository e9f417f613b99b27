# Asks again at once, and once too often.
# points: 1.5
# hint: tries_are_all
def ask_again(model, prompt, tries=3, pause=0.1, **options):
    while True:
        try:
            return model.chat(prompt, **options)
        except MAY_PASS:
            tries -= 1
            if tries < 0:
                raise
