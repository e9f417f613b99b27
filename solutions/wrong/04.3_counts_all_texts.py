# Counts texts, not different ones.
# points: 0
# hint: texts
def lowest_temperature(model, prompt, temperatures, seeds, different):
    """The lowest temperature at which the seeds give so many different texts, or None."""
    for temperature in sorted(temperatures):
        texts = [model.chat(prompt, temperature=temperature, seed=seed, max_tokens=12).text for seed in seeds]
        if len(texts) >= different:
            return temperature
    return None
