# Cuts off instead of rounding.
# points: 0.5
# hint: nearest
def quantize(numbers, bits, block):
    """Whole numbers of so many bits, and a scale for each block."""
    most = 2 ** (bits - 1) - 1
    whole, scales = [], []
    for start in range(0, len(numbers), block):
        here = numbers[start : start + block]
        scale = max(abs(x) for x in here) / most
        scales.append(scale)
        whole += [int(x / scale) if scale else 0 for x in here]
    return {"whole": whole, "scales": scales}
