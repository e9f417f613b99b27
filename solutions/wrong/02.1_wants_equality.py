# The whole answer must be the expected word.
# points: 0
# hint: found
def is_right(text, expected):
    return text.strip(" .").lower() == expected.lower()
