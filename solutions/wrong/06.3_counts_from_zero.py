# Numbers the passages from 0.
# points: 1
# hint: invented
def citations(text, n):
    """The passages that a text cites, and the citations for which there is no passage."""
    groups = re.findall(r"\[(\d+(?:\s*,\s*\d+)*)\]", text)
    numbers = list(dict.fromkeys(int(number) for group in groups for number in group.split(",")))
    return {"sources": [one for one in numbers if 0 <= one < n], "invented": [one for one in numbers if not 0 <= one < n]}
