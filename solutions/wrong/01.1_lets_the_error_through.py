# Forgets that nobody may be there.
# points: 1
# hint: no_error
def is_answering(url):
    import httpx

    return "version" in httpx.get(url + "/api/version", timeout=2).json()
