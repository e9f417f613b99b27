# Returns words instead of True and False.
# points: 0
# hint: type
def is_answering(url):
    return "yes" if lab.OllamaServer(url, timeout=2).is_running() else "no"
