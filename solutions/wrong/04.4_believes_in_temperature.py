# Thinks that a high temperature always wins.
# points: 0.5
# hint: prediction
def predict():
    return {letter: "same" if setting["temperature"] == 0 else "different" for letter, setting in EXPERIMENTS.items()}
