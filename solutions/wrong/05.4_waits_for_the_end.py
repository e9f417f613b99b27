# Reads everything before the first word.
# points: 1.5
# hint: at_once
def words(stream):
    text = "".join(chunk.text for chunk in stream)
    yield from re.findall(r"\s*\S+\s*", text)
