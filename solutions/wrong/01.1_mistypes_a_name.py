# Mistypes the name of what it asks with.
# points: 0
# hint: crash
def is_answering(url):
    try:
        return "version" in htpx.get(url + "/api/version", timeout=2).json()
    except OSError:
        return False
