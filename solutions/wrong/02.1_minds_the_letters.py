# A capital letter makes the answer wrong.
# points: 1.5
# hint: letters
def is_right(text, expected):
    """Whether the expected word stands in the text as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(expected)}(?!\w)", text) is not None
