# Returns None when no try is left.
# points: 2
# hint: raise_the_last
def ask_again(model, prompt, tries=3, pause=0.1, **options):
    for _ in range(tries):
        try:
            return model.chat(prompt, **options)
        except MAY_PASS:
            time.sleep(pause)
