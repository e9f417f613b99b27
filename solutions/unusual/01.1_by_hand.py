# Speaks HTTP by hand over a socket.
def is_answering(url):
    import json
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=2) as sock:
            sock.sendall(b"GET /api/version HTTP/1.0\r\nHost: localhost\r\n\r\n")
            data = b"".join(iter(lambda: sock.recv(4096), b""))
        head, _, body = data.partition(b"\r\n\r\n")
        return b" 200 " in head.splitlines()[0] and "version" in json.loads(body)
    except (OSError, ValueError, IndexError):
        return False
