# One scale for all.
# points: 1
# hint: lists
def quantize(numbers, bits, block):
    """Whole numbers of so many bits, and a scale for each block."""
    scale = max(abs(x) for x in numbers) / (2 ** (bits - 1) - 1)
    return {"whole": [round(x / scale) for x in numbers], "scales": [scale]}
