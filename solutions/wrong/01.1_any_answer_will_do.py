# Takes whatever answers for Ollama, also another program.
# points: 3
# hint: says_yes
def is_answering(url):
    import httpx

    try:
        httpx.get(url, timeout=2)
    except httpx.HTTPError:
        return False
    return True
