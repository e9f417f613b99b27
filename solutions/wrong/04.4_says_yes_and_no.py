# Answers in other words.
# points: 0
# hint: letters
def predict():
    return {letter: "yes" if letter in "BE" else "no" for letter in EXPERIMENTS}
