# Runs the experiments instead of thinking.
def predict():
    return {letter: "same" if len(set(texts(letter))) == 1 else "different" for letter in sorted(EXPERIMENTS)}
