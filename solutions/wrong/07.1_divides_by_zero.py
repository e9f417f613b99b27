# Divides by the scale of zeros.
# points: 2.5
# hint: crash
def quantize(numbers, bits, block):
    """Whole numbers of so many bits, and a scale for each block."""
    most = 2 ** (bits - 1) - 1
    blocks = [numbers[start : start + block] for start in range(0, len(numbers), block)]
    scales = [max(map(abs, here)) / most for here in blocks]
    return {"whole": [round(x / scale) for here, scale in zip(blocks, scales, strict=True) for x in here], "scales": scales}
