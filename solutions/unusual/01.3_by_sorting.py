# Sorts, then takes the first that fits; and sums up on its own.
def choose(models, free):
    import pandas as pd

    if not models:
        return None
    frame = pd.DataFrame(models).sort_values("parameters", ascending=False)
    need = frame.parameters * frame.bits / 8 + frame.kv_bytes_per_token * frame.context_window
    names = frame.name[need <= free]
    return names.iloc[0] if len(names) else None
