"""Stands in for a browser: signs in as Ada on the simulator's pages, agrees, and follows the way back."""

import asyncio
import sys

import aiohttp

from tests.auth.support import agree


async def main(url: str) -> None:
    back = await agree(url)
    async with aiohttp.ClientSession() as http, http.get(back) as answer:
        answer.raise_for_status()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
