# Compares lists of words, without a regular expression.
def is_right(text, expected):
    text, wanted = bare(text), bare(expected)
    places = [n for n in range(len(text)) if text.startswith(wanted, n)]
    for n in places:
        around = text[n - 1 : n] + text[n + len(wanted) : n + len(wanted) + 1]
        if not any(sign.isalnum() or sign == "_" for sign in around):
            return True
    return False
