"""ZIP archives from outside: checked before they are believed, and unpacked without leaving their folder."""

import asyncio
import os
import re
import shutil
import stat
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from attrs import frozen

from aps_async.errors import IncompleteDownloadError
from aps_async.names import NameBook, in_folder
from aps_async.targets import part_name, target_error

_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


@frozen(kw_only=True)
class ArchiveLimits:
    """What an archive may hold before it counts as a bomb."""

    entries: int = 10_000
    """ACC puts at most 200 files into one."""
    size: int = 50 << 30
    """Bytes when unpacked; ACC refuses exports over 10 GB."""
    ratio: float = 200.0
    """Unpacked over packed, of any entry over 1 MiB; drawings reach about 20."""


def verify_archive(path: Path, *, limits: ArchiveLimits = ArchiveLimits()) -> None:
    """Reads a whole archive and checks it: names, limits, and the CRC of every entry. It writes nothing.

    Raises:
        IncompleteDownloadError: something is wrong; the message names the entry.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_limits(entries, path.stat().st_size, limits)
            for entry in entries:
                _check_name(entry)
                _read_through(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as problem:
        raise IncompleteDownloadError(f"the archive is damaged: {problem}") from problem


async def unpack_archive(path: Path, folder: Path, names: NameBook, *, tag: str = "") -> tuple[Path, ...]:
    """Unpacks a verified archive, flat: one file per entry, under safe names that are new in `names`.

    `tag` marks the part files; see `part_name`.

    Each file appears under its name only when it is whole. It runs in a thread; on cancellation the files that are
    already there stay, and no other one appears.

    Raises:
        TargetError: the folder cannot take them.
        IncompleteDownloadError: the archive is damaged.
    """
    stop = threading.Event()
    try:
        return await asyncio.get_running_loop().run_in_executor(None, _unpack, path, folder, names, stop, tag)
    finally:
        stop.set()


def _unpack(path: Path, folder: Path, names: NameBook, stop: threading.Event, tag: str) -> tuple[Path, ...]:
    made: list[Path] = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            inner = PurePosixPath(entry.filename)
            # By the stem alone, as a bulk run takes the names of its files: their suffixes come later.
            stem, suffix = (inner.stem, inner.suffix.lower()) if _SUFFIX.fullmatch(inner.suffix) else (inner.name, "")
            final = Path(f"{in_folder(folder, names.take(stem, ''))}{suffix}")
            part = Path(part_name(final, tag))
            try:
                with archive.open(entry) as source, part.open("xb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
                    target.flush()
                    os.fsync(target.fileno())
                if not stop.is_set():
                    part.replace(final)
                    made.append(final)
            except OSError as problem:
                raise target_error(final, problem) from problem
            except zipfile.BadZipFile as problem:
                raise IncompleteDownloadError(f"the archive is damaged: {problem}", path=path) from problem
            finally:
                part.unlink(missing_ok=True)
            if stop.is_set():
                break
    return tuple(made)


def _check_limits(entries: list[zipfile.ZipInfo], size: int, limits: ArchiveLimits) -> None:
    if all(entry.is_dir() for entry in entries):
        raise IncompleteDownloadError("the archive is empty")
    if len(entries) > limits.entries:
        raise IncompleteDownloadError(f"the archive has {len(entries)} entries, more than {limits.entries}")
    if sum(entry.file_size for entry in entries) > limits.size:
        raise IncompleteDownloadError(f"the archive would unpack to more than {limits.size} bytes")
    if sum(entry.compress_size for entry in entries) > size:
        raise IncompleteDownloadError(
            "the archive's entries hold more than itself: it is cut off, or they overlap as a bomb's do"
        )
    for entry in entries:
        if entry.file_size > _CHUNK and entry.file_size > limits.ratio * max(entry.compress_size, 1):
            raise IncompleteDownloadError(
                f"the archive's entry {entry.filename!r} unpacks {entry.compress_size} bytes to {entry.file_size}: "
                "that is a bomb"
            )


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        raise IncompleteDownloadError(f"the archive's entry {name!r} points outside of its folder")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise IncompleteDownloadError(f"the archive's entry {name!r} is a link")
    if entry.flag_bits & _ENCRYPTED:
        raise IncompleteDownloadError(f"the archive's entry {name!r} is encrypted")


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """zipfile compares the CRC when it reaches the end, and never gives more than the declared size."""
    with archive.open(entry) as content:
        head = content.read(8)
        while content.read(_CHUNK):
            pass
    if entry.filename.lower().endswith(".pdf") and not head.startswith(b"%PDF-"):
        raise IncompleteDownloadError(f"the archive's entry {entry.filename!r} is no PDF")
