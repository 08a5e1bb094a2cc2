"""httpx: one `AsyncClient`, over HTTP/1.1; with `h2` as fourth argument over HTTP/2 with prior knowledge."""

import asyncio
import sys

import httpx

from workers import run_tasks

JSON = {"content-type": "application/json"}
over_h2 = sys.argv[4:] == ["h2"]


async def main():
    async with httpx.AsyncClient(http1=not over_h2, http2=over_h2) as client:

        async def send(url, body):
            if body is None:
                return (await client.get(url)).status_code
            return (await client.post(url, content=body, headers=JSON)).status_code

        await run_tasks(send)


asyncio.run(main())
