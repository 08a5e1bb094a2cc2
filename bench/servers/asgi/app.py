"""An ASGI application (https://asgi.readthedocs.io), for uvicorn, hypercorn and granian."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b"hello\n"
    if scope["path"] == "/stream":
        await start(send, [])
        for number in range(10):
            await asyncio.sleep(0.1)
            chunk = f"chunk {number}\n".encode()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
        body = b"slow\n"
    elif scope["path"] == "/upload":
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = f"{length}\n".encode()
    await start(send, [(b"content-length", str(len(body)).encode())])
    await send({"type": "http.response.body", "body": body})


async def start(send, headers):
    headers = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
