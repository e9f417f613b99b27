# Puts the loop inside the try: the first failure ends it.
# points: 0.5
# hint: one_bad_name
def first_usable(names):
    skipped = {}
    try:
        for name in names:
            return lab.load(name), skipped
    except errors.LabError as error:
        raise errors.ModelNotFoundError(f"None of {names}: {error}") from None
