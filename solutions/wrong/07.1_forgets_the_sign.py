# Takes the largest number, not the largest size.
# points: 0.5
# hint: range
def quantize(numbers, bits, block):
    """Whole numbers of so many bits, and a scale for each block."""
    most = 2 ** (bits - 1) - 1
    blocks = [numbers[start : start + block] for start in range(0, len(numbers), block)]
    scales = [max(here) / most for here in blocks]
    return {"whole": [round(x / scale) if scale else 0 for here, scale in zip(blocks, scales, strict=True) for x in here], "scales": scales}
