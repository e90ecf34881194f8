"""Open files of the caller as download targets."""

import inspect
import os
from io import RawIOBase, TextIOBase
from pathlib import Path
from typing import Any

from aps_async.downloads.sinks import PartFile
from aps_async.downloads.target_paths import checked_path, target_error
from aps_async.errors import IncompleteDownloadError, InputError, TargetError
from aps_async.models import Writable

__all__ = ["OpenFile", "checked_target", "opened"]
__dir__: object = __all__.copy


class OpenFile:
    """Writes to the caller's open file as the bytes arrive, and rewinds it if that is necessary and possible."""

    path = None

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._end = 0
        self._base = _position(file)

    async def write(self, at: int, data: bytes) -> None:
        """Writes all of `data` at byte `at`, counted from the position that the file had at first.

        Raises:
            IncompleteDownloadError: something was already written there, and the file cannot be rewound.
            TargetError: writing failed.
        """
        try:
            if at != self._end:
                self._rewind(at)
            self._end = at + len(data)
            while data:
                done = self._file.write(data)
                if inspect.isawaitable(done):
                    done = await done
                if done is None and isinstance(self._file, RawIOBase):
                    done = 0  # a pipe or socket that does not block, and is full; of other files, None means nothing
                if type(done) is not int or done >= len(data):
                    return
                if done <= 0:
                    raise TargetError(f"cannot write to the open file: it took {done} of {len(data)} bytes")
                data = data[done:]
        except OSError as problem:
            raise target_error(None, problem) from problem
        except ValueError as problem:
            if not _is_closed(self._file):
                raise
            raise TargetError("cannot write to the open file: it was closed") from problem

    def _rewind(self, at: int) -> None:
        if self._base is None:
            raise IncompleteDownloadError(
                "the download has to start over, and the open file cannot be rewound; give a path or a seekable file"
            )
        self._file.seek(self._base + at)  # type: ignore[attr-defined]
        self._file.truncate()  # type: ignore[attr-defined]

    def final(self, suffix: object) -> None:
        """None: an open file has no final path."""

    async def complete(self, verify: object = None) -> tuple[str, ...]:  # noqa: ARG002 - as `PartFile`
        """Nothing to do: the file belongs to the caller."""
        return ()

    def rename(self, suffix: object = None) -> None:
        """Nothing to do: the file belongs to the caller."""

    def discard(self) -> None:
        """Nothing to do: the file belongs to the caller."""


def _is_closed(file: object) -> bool:
    return getattr(file, "closed", False) is True


def _position(file: Any) -> int | None:
    """The file's position, to rewind to; None if it cannot be rewound, or only by awaiting."""
    methods = [getattr(file, name, None) for name in ("seekable", "tell", "seek", "truncate")]
    if not all(callable(method) and not inspect.iscoroutinefunction(method) for method in methods):
        return None
    return file.tell() if file.seekable() is True else None


def checked_target(target: "str | os.PathLike[str] | Writable", *, add_suffix: bool = False) -> "Path | Writable":
    """Checks that a target can be written, before a wait of minutes; returns it.

    Args:
        target: a path, or an open binary file.
        add_suffix: see `checked_path`.

    Raises:
        InputError: it is not a path, and not a binary file that is open for writing.
        TargetError: see `checked_path`.
    """
    if isinstance(target, str | bytes | os.PathLike):
        return checked_path(target, add_suffix=add_suffix)
    if not callable(getattr(target, "write", None)) or isinstance(target, TextIOBase) or _is_closed(target):
        raise InputError(f"a file goes to a path or a binary file that is open for writing, not to {target!r:.100}")
    return target


def opened(target: "str | os.PathLike[str] | Writable | PartFile", *, add_suffix: bool = False) -> PartFile | OpenFile:
    """Returns the sink for a path or an open file; for `add_suffix`, see `checked_path`.

    Raises:
        APSError: as `checked_target`.
    """
    if isinstance(target, PartFile):
        return target
    checked = checked_target(target, add_suffix=add_suffix)
    return PartFile(checked) if isinstance(checked, Path) else OpenFile(checked)
