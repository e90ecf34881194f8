"""A process that dies at a chosen instant of a renewal: `python -m tests.auth.crasher URL STORE INSTANT`."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any, NoReturn

from aps_async import Session
from aps_async.auth import FileStore, ThreeLegged, filestore
from tests.auth.support import PUBLIC


def die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def arrange(instant: str) -> None:
    """Lets this process die there. The first save marks the renewal, the second keeps what it brought."""
    replace, fsync, write, post = Path.replace, os.fsync, os.fdopen, Session.post_form
    saves = 0

    def counted(part: Path, target: Path) -> Path:
        nonlocal saves
        saves += 1
        if instant == f"before rename {saves}":
            die()
        done = replace(part, target)
        if instant == f"after rename {saves}":
            die()
        return done

    def half_written(descriptor: int, mode: str) -> Any:
        file = write(descriptor, mode)
        if instant == f"half written {saves + 1}":
            file.write(b'{"format": 1, "client_')
            file.flush()
            die()
        return file

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        if instant == f"synced {saves + 1}" and stat.S_ISREG(os.fstat(descriptor).st_mode):
            die()

    async def posted(self: Session, *args: Any, **options: Any) -> Any:
        if instant == "before the form":
            die()
        answer = await post(self, *args, **options)
        if instant == "after the answer":
            die()
        return answer

    Path.replace = counted  # type: ignore[method-assign,assignment]
    os.fsync, filestore.os.fdopen = synced, half_written  # type: ignore[assignment,attr-defined]
    Session.post_form = posted  # type: ignore[method-assign]


async def main(url: str, path: str) -> None:
    tokens = ThreeLegged(PUBLIC, store=FileStore(path))
    async with Session(tokens, base_url=url) as session:
        await tokens.token(session)


if __name__ == "__main__":
    arrange(sys.argv[3])
    asyncio.run(main(sys.argv[1], sys.argv[2]))
