# Overlooks that one experiment repeats its seed.
# points: 1.5
# hint: prediction
def predict():
    """Letter of the experiment: "same" or "different"."""
    return {letter: "different" if letter in "BEG" else "same" for letter in EXPERIMENTS}
