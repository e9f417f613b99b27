# Cuts without overlap.
# points: 0.5
# hint: overlap
def chunks(text, size, overlap):
    """The words of a text in pieces of `size`, each with `overlap` words of the one before it."""
    if not 0 <= overlap < size:
        raise ValueError(f"overlap={overlap} must be at least 0 and less than size={size}")
    words = text.split()
    starts = range(0, max(len(words), 1), size) if words else ()
    return [" ".join(words[start : start + size]) for start in starts]
