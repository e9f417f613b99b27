# Asks for all seeds of a temperature through options, and stops within one as soon as it can.
def lowest_temperature(model, prompt, temperatures, seeds, different):
    def enough(temperature):
        seen = set()
        for seed in seeds:
            seen.add(str(model.chat(prompt, options=lab.Options(temperature=temperature, seed=seed, max_tokens=12))))
        return len(seen) >= different

    return next(filter(enough, sorted(set(temperatures))), None)
