# Asks every time with the same seed.
# points: 0.5
# hint: lowest
def lowest_temperature(model, prompt, temperatures, seeds, different):
    """The lowest temperature at which the seeds give so many different texts, or None."""
    for temperature in sorted(temperatures):
        texts = {model.chat(prompt, temperature=temperature, seed=0, max_tokens=12).text for seed in seeds}
        if len(texts) >= different:
            return temperature
    return None
