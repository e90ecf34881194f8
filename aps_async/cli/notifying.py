"""The summary of a finished run for a chat: `APS_NOTIFY_URL`, a secret address that is never shown."""

import asyncio
import os
from typing import Any

import aiohttp
from yarl import URL

from aps_async.cli.ending import few_words
from aps_async.cli.environment import CA_FILE, is_loopback, proxy_for
from aps_async.cli.output import print_status
from aps_async.errors import InputError
from aps_async.settings import Settings
from aps_async.text import well_formed_values
from aps_async.transport.connections import open_api, request_options, tls_context
from aps_async.transport.response import transport_error

NOTIFY_URL = "APS_NOTIFY_URL"
TIMEOUT = 10.0
"""Seconds for the only attempt."""
_NO_MARKUP = str.maketrans(
    "<>", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
)


async def notify(text: str, *, ok: bool, timeout: float = TIMEOUT) -> None:
    """Sends the summary as JSON with the fields `text` and `ok`, if there is an address. A failure is a warning.

    Args:
        text: one line. Its angle brackets are replaced: some chats take `<!channel>` for a mention of everybody.
        ok: whether the run's exit code is 0.
        timeout: seconds.
    """
    address = os.environ.get(NOTIFY_URL, "").strip()
    if not address:
        return
    message = {"text": text.translate(_NO_MARKUP), "ok": ok}
    try:
        # No cause is shown, since the words of some contain the address.
        failure = await _send(address, well_formed_values(message), timeout)
    except TimeoutError:
        failure = f"no response in {timeout:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        failure = f"{_in_words(problem)} ({type(problem).__name__})"
    if failure:
        print_status(f"warning: the summary was not delivered to the address in {NOTIFY_URL}: {failure}")


def _in_words(problem: Exception) -> str:
    if isinstance(problem, ValueError):  # aiohttp's own are ValueErrors too
        return "it is not a valid address"
    return few_words(transport_error("", problem)).removesuffix(" from the service")


async def _send(address: str, message: dict[str, Any], timeout: float) -> str | None:
    """One attempt; gives what went wrong."""
    if not (address.startswith("https://") or (address.startswith("http://") and is_loopback(address))):
        return "it does not begin with https://"
    try:
        options = request_options(tls_context(os.environ.get(CA_FILE, "").strip() or None), proxy_for(address))
    except InputError as problem:
        return str(problem)
    async with (
        asyncio.timeout(timeout),
        open_api(Settings()) as http,
        http.post(URL(address, encoded=True), json=message, **options) as response,
    ):
        return None if response.status < 300 else f"status {response.status}"
