"""Checks downloaded ZIP archives, and unpacks them without writing outside their folder."""

import errno
import stat
import threading
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from attrs import frozen

from aps_async.arguments import check_functions
from aps_async.downloads.filenames import NameBook, in_folder, safe_stem
from aps_async.downloads.pdf_head import PDF_HEAD, PDF_HEAD_WITHIN
from aps_async.downloads.sinks import part_name
from aps_async.downloads.target_paths import source_error, target_error
from aps_async.downloads.zip_directory import open_patched
from aps_async.errors import APSError, IncompleteDownloadError
from aps_async.filesystem import replacing
from aps_async.lazy import regex
from aps_async.threads import in_thread

__all__ = ["ArchiveLimits", "unpack_archive", "verify_archive"]
__dir__: object = __all__.copy

_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_SPECIAL = 0x60  # bits 5 and 6: "compressed patched data", "strong encryption"
_SUFFIX = regex(r"\.[A-Za-z0-9]{1,10}")


@frozen(kw_only=True)
class ArchiveLimits:
    """The limits beyond which an archive counts as a ZIP bomb."""

    entries: int = 10_000
    """Number of files; ACC puts at most 200 into one archive."""
    size: int = 50 << 30
    """Bytes when unpacked; ACC refuses exports over 10 GB."""
    ratio: float = 200.0
    """Unpacked size divided by packed size, for the whole archive; drawings reach about 20."""
    ratio_from: int = 1 << 30
    """Bytes when unpacked, up to which the ratio is not checked: an empty scan compresses 1,000 to 1."""


def verify_archive(
    path: Path, *, limits: ArchiveLimits = ArchiveLimits(), stop: threading.Event | None = None
) -> tuple[str, ...]:
    """Reads a whole archive and checks it: names, limits, and the CRC of every entry. It writes nothing.

    Args:
        path: the archive.
        limits: what counts as a ZIP bomb.
        stop: ends the check with an error once it is set; for use in a thread.

    Returns:
        Warnings, one for each unusual entry, and for each that cannot be read here although the archive is intact.

    Raises:
        IncompleteDownloadError: a check failed, and the message names the entry; or the archive is no longer there.
        TargetError: the archive cannot be read.
    """
    warnings: list[str] = []
    with _opened(path) as (archive, misnamed):
        entries = archive.infolist()
        _check_limits(entries, path.stat().st_size, limits)
        for number, entry in enumerate(entries):
            _check_name(entry)
            if number in misnamed:
                warnings.append(f"the archive's entry {entry.filename!r} has a name that is not valid UTF-8")
            if warning := _read_through(archive, entry, stop or threading.Event()):
                warnings.append(warning)
    return tuple(warnings)


async def unpack_archive(
    path: Path, folder: Path, names: NameBook, *, tag: str = "", on_skip: Callable[[str], object] | None = None
) -> tuple[Path, ...]:
    """Unpacks a verified archive without its folders: one file per entry, under safe names taken from `names`.

    Each file gets its name only once it is complete. Runs in a thread; after a cancellation the files that are already
    there stay, and no others are added.

    Args:
        path: the archive, which is not removed.
        folder: where the files go.
        names: the names that are taken; the new ones are added.
        tag: the tag of the part files; see `part_name`.
        on_skip: called, in the thread, with one sentence for each entry that cannot be unpacked here.

    Returns:
        The files, in the archive's order, without entries whose compression is not supported; keep the archive then.

    Raises:
        TargetError: the files cannot be written to the folder, or the archive cannot be read.
        IncompleteDownloadError: the archive is damaged, or no longer there.
    """
    check_functions(on_skip=on_skip)
    stop = threading.Event()
    return await in_thread(_unpack, path, folder, names, stop, tag, on_skip or _ignore, on_cancel=stop.set)


def _ignore(_: str) -> None:
    """The default for `on_skip`."""


def _unpack(
    path: Path,
    folder: Path,
    names: NameBook,
    stop: threading.Event,
    tag: str,
    on_skip: Callable[[str], object],
) -> tuple[Path, ...]:
    made: list[Path] = []
    with _opened(path) as (archive, _):
        for entry in archive.infolist():
            if _is_folder(entry):
                continue
            try:
                source = archive.open(entry)
            except NotImplementedError:
                on_skip(_not_supported(entry))
                continue
            with source:
                final = _unpack_entry(source, _place_for(entry, folder, names), stop, tag)
            if final is None:
                break
            made.append(final)
    return tuple(made)


class _StoppedError(Exception):
    """Unpacking was cancelled."""


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise _StoppedError


def _unpack_entry(source: IO[bytes], final: Path, stop: threading.Event, tag: str) -> Path | None:
    """Writes one entry and returns its path; None if it was stopped."""
    try:
        with replacing(final, part=Path(part_name(final, tag)), durable=False) as target:
            while chunk := source.read(_CHUNK):
                _go_on(stop)
                target.write(chunk)
            _go_on(stop)
    except _StoppedError:
        return None
    except OSError as problem:
        if problem.errno is None:  # how bz2 reports damaged data
            raise
        raise target_error(final, problem) from problem
    return final


def _place_for(entry: zipfile.ZipInfo, folder: Path, names: NameBook) -> Path:
    inner = _inner_path(entry)
    if not _SUFFIX.fullmatch(inner.suffix):  # it may appear with what is made safe: "a.pdf " is "a.pdf"
        inner = PurePosixPath(safe_stem(inner.name))
    # By the stem alone, as in a bulk run, which does not know the suffixes of its files yet.
    stem, suffix = (inner.stem, inner.suffix.lower()) if _SUFFIX.fullmatch(inner.suffix) else (inner.name, "")
    return Path(f"{in_folder(folder, names.take(stem, ''))}{suffix}")


@contextmanager
def _opened(path: Path) -> Generator[tuple[zipfile.ZipFile, frozenset[int]], None, None]:
    """Opens an archive; whatever reading it raises becomes our error. Also yields the entries with invalid names.

    Given hostile bytes, decompressors and parsers raise a dozen types, such as LZMAError, struct.error, RuntimeError.
    """
    try:
        file, misnamed = open_patched(path)
        with file, zipfile.ZipFile(file) as archive:
            yield archive, misnamed
    except APSError:
        raise
    except NotImplementedError as problem:
        raise IncompleteDownloadError(f"the archive cannot be read here: {problem}", path=path) from problem
    except FileNotFoundError as problem:
        raise IncompleteDownloadError(f"another program has removed {path}; run it again", path=path) from problem
    except Exception as problem:
        words = str(problem) or type(problem).__name__
        if isinstance(problem, OSError) and problem.errno == errno.EINVAL:
            words = "it leads to a place outside of itself"  # before the beginning of the file
        elif isinstance(problem, OSError) and problem.errno is not None:  # bz2 reports damaged data without a number
            raise source_error(path, problem) from problem
        raise IncompleteDownloadError(f"the archive is damaged: {words}", path=path) from problem


def _check_limits(entries: list[zipfile.ZipInfo], size: int, limits: ArchiveLimits) -> None:
    if all(_is_folder(entry) for entry in entries):
        raise IncompleteDownloadError("the archive is empty")
    if len(entries) > limits.entries:
        raise IncompleteDownloadError(f"the archive has {len(entries)} entries, more than {limits.entries}")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.size:
        raise IncompleteDownloadError(f"the archive would unpack to more than {limits.size} bytes")
    if sum(entry.compress_size for entry in entries) > size:
        raise IncompleteDownloadError(
            "the archive's entries add up to more than its size: it is cut off, or they overlap as in a ZIP bomb"
        )
    if unpacked > max(limits.ratio_from, limits.ratio * size):
        raise IncompleteDownloadError(f"the archive would unpack {size} bytes to {unpacked}, as a ZIP bomb would")


def _inner_path(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The entry's path, also with backslashes, which some programs on Windows write."""
    return PurePosixPath(entry.filename.replace("\\", "/"))


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith(("/", "\\"))


def _check_name(entry: zipfile.ZipInfo) -> None:
    inner = _inner_path(entry)
    if ".." in inner.parts or inner.is_absolute() or PureWindowsPath(entry.filename).anchor:
        raise IncompleteDownloadError(f"the archive's entry {entry.filename!r} points outside of its folder")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise IncompleteDownloadError(f"the archive's entry {entry.filename!r} is a link")
    if entry.flag_bits & _ENCRYPTED:
        raise IncompleteDownloadError(f"the archive's entry {entry.filename!r} is encrypted")


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, stop: threading.Event) -> str | None:
    """Reads an entry to its end, where zipfile compares the CRC. It never returns more than the declared size."""
    try:
        content = archive.open(entry)
    except NotImplementedError:
        return _not_supported(entry)
    with content:
        head = content.read(PDF_HEAD_WITHIN + len(PDF_HEAD))
        while content.read(_CHUNK):
            if stop.is_set():
                raise IncompleteDownloadError("the check of the archive was stopped")
    if entry.filename.lower().endswith(".pdf") and PDF_HEAD not in head:
        return f"the archive's entry {entry.filename!r} is not a valid PDF"
    return None


def _not_supported(entry: zipfile.ZipInfo) -> str:
    method = "Deflate64" if entry.compress_type == 9 else f"method {entry.compress_type}"
    how = f"compressed by {method}"
    if entry.flag_bits & _SPECIAL:
        how = "a patch or has strong encryption"
    return f"the archive's entry {entry.filename!r} is {how}, which cannot be read here; keep the ZIP"
