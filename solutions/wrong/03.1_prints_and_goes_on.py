# Says so on the screen and goes on without a model.
# points: 1.5
# hint: none_is_an_error
def first_usable(names):
    skipped = {}
    for name in names:
        try:
            return lab.load(name), skipped
        except errors.LabError as error:
            skipped[name] = error
    print("No model found")
    return None, skipped
