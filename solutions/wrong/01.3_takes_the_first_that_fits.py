# Trusts the order of the list.
# points: 1
# hint: largest
def choose(models, free):
    for model in models:
        if memory_needed(model["parameters"], model["bits"], model["kv_bytes_per_token"], model["context_window"]) <= free:
            return model["name"]
    return None
