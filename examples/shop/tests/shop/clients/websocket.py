"""A WebSocket of the Python package `websockets`: sends numbers, expects them back, and prints how it was
closed."""

import asyncio
import json
import ssl
import sys

import websockets


async def main(url):
    tls = None
    if url.startswith("wss:"):
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    async with websockets.connect(url, ssl=tls) as socket:
        try:
            for n in range(1_000_000):
                await socket.send(str(n))
                echo = await socket.recv()
                assert echo == str(n), f"{echo} is not the echo of {n}"
                if n == 10:
                    print("open", flush=True)
                await asyncio.sleep(0.005)
        except websockets.ConnectionClosed as closed:
            # Both None if the connection ended without a handshake.
            received, sent = closed.rcvd, closed.sent
            print(json.dumps({
                "code": received and received.code,
                "reason": received and received.reason,
                "answered": sent and sent.code,
                "clean": isinstance(closed, websockets.ConnectionClosedOK),
            }))


asyncio.run(main(sys.argv[1]))
