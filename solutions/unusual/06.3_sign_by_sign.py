# Splits at brackets instead of using one pattern.
def citations(text, n):
    sources, invented = [], []
    for part in text.split("[")[1:]:
        inside, closed, _ = part.partition("]")
        numbers = [piece.strip() for piece in inside.split(",")]
        if not closed or not all(piece.isdigit() for piece in numbers):
            continue
        for number in map(int, numbers):
            target = sources if number in range(1, n + 1) else invented
            if number not in target:
                target.append(number)
    return {"invented": invented, "sources": sources}
