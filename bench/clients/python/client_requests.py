"""requests: one `Session` for all threads."""

import requests

from workers import run_threads

session = requests.Session()
JSON = {"content-type": "application/json"}


def send(url, body):
    if body is None:
        return session.get(url).status_code
    return session.post(url, data=body, headers=JSON).status_code


run_threads(send)
