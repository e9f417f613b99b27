# Finds the word inside longer words too.
# points: 1
# hint: whole_word
def is_right(text, expected):
    return bare(expected) in bare(text)
