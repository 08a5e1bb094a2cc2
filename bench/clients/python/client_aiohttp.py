"""aiohttp: one `ClientSession`."""

import asyncio

import aiohttp

from workers import run_tasks

JSON = {"content-type": "application/json"}


async def main():
    async with aiohttp.ClientSession() as session:

        async def send(url, body):
            asked = session.get(url) if body is None else session.post(url, data=body, headers=JSON)
            async with asked as answer:
                await answer.read()
                return answer.status

        await run_tasks(send)


asyncio.run(main())
