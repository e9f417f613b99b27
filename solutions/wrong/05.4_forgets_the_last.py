# Leaves out what comes after the last white space.
# points: 0.5
# hint: last_word
def words(stream):
    """The text of a stream word by word, each as soon as it is whole."""
    rest = ""
    for chunk in stream:
        rest += chunk.text
        while whole := re.match(r"\s*\S+\s", rest):
            yield whole[0]
            rest = rest[whole.end() :]
