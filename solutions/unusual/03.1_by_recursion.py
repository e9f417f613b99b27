# Calls itself with the rest of the list, and keeps texts instead of errors.
def first_usable(names, skipped=None):
    skipped = {} if skipped is None else skipped
    name, *rest = list(names) or [None]
    if name is None:
        raise LookupError("\n".join(f"{name} -> {why}" for name, why in skipped.items()))
    try:
        model = lab.load(name)
    except Exception as why:
        return first_usable(rest, {**skipped, name: str(why)})
    return model, skipped
