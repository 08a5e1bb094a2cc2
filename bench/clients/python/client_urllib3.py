"""urllib3: one `PoolManager`, with room for a connection of each thread."""

import urllib3

from workers import run_threads

pool = urllib3.PoolManager(maxsize=20)
JSON = {"content-type": "application/json"}


def send(url, body):
    if body is None:
        return pool.request("GET", url).status
    return pool.request("POST", url, body=body, headers=JSON).status


run_threads(send)
