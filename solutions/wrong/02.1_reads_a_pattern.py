# Takes the expected word for a regular expression.
# points: 1.5
# hint: signs
def is_right(text, expected):
    return bool(re.search(r"(?<!\w)" + bare(expected) + r"(?!\w)", bare(text)))
