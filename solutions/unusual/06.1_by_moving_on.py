# A loop that stops when the text is used up.
def chunks(text, size, overlap):
    assert_ok = size > overlap >= 0
    if not assert_ok:
        raise ValueError("the start would not move on")
    left, out = text.split(), []
    while left:
        out.append(" ".join(left[:size]))
        left = left[size - overlap :] if len(left) > size else []
    return out
