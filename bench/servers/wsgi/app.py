"""A WSGI application (PEP 3333), for gunicorn and waitress."""

import time


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return chunks()
    if path == "/slow":
        time.sleep(1)
        body = b"slow\n"
    elif path == "/upload":
        length = 0
        while data := environ["wsgi.input"].read(65536):
            length += len(data)
        body = f"{length}\n".encode()
    else:
        body = b"hello\n"
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def chunks():
    for number in range(10):
        time.sleep(0.1)
        yield f"chunk {number}\n".encode()
