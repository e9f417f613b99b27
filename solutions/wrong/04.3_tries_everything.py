# Asks at every temperature, also when the goal is reached.
# points: 2.5
# hint: stop_there
def lowest_temperature(model, prompt, temperatures, seeds, different):
    found = []
    for temperature in temperatures:
        texts = {model.chat(prompt, temperature=temperature, seed=seed, max_tokens=12).text for seed in seeds}
        if len(texts) >= different:
            found.append(temperature)
    return min(found, default=None)
