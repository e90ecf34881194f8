"""For all tests."""

import asyncio

asyncio.set_event_loop(None)  # else pytest-asyncio asks for one between two tests, and never closes it
