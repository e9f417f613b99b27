# Leaves the cache out when it compares.
# points: 2
# hint: too_large
def choose(models, free):
    fitting = [model for model in models if model["parameters"] * model["bits"] / 8 <= free]
    return max(fitting, key=lambda model: model["parameters"])["name"] if fitting else None
