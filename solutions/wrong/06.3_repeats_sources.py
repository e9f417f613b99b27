# Lists a source as often as it is cited.
# points: 1
# hint: each_once
def citations(text, n):
    """The passages that a text cites, and the citations for which there is no passage."""
    groups = re.findall(r"\[(\d+(?:\s*,\s*\d+)*)\]", text)
    numbers = [int(number) for group in groups for number in group.split(",")]
    return {"sources": [one for one in numbers if 1 <= one <= n], "invented": [one for one in numbers if not 1 <= one <= n]}
