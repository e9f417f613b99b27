# Does not look at the overlap before it starts.
# points: 1.5
# hint: never_ends
def chunks(text, size, overlap):
    """The words of a text in pieces of `size`, each with `overlap` words of the one before it."""
    words = text.split()
    starts = range(0, max(len(words) - overlap, 1), max(size - overlap, 1)) if words else ()
    return [" ".join(words[start : start + size]) for start in starts]
