"""Opens archives that `zipfile` refuses because of one entry's header, although the other entries are readable.

Names: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.4.4, bit 11: the name is UTF-8.
"""

import io
import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["PatchedFile", "open_patched"]
__dir__: object = __all__.copy

_END, _END_SIZE = b"PK\x05\x06", 22
_END64_BEHIND = 20 + 56  # the records of large archives (ZIP64), which come before the end record
_ENTRY, _ENTRY_SIZE = b"PK\x01\x02", 46
_IS_UTF8 = 0x08  # a bit in the second byte of the flags
_NEWEST = 63  # the newest version of the format that `zipfile` accepts
_IN_EXTRA = 0xFFFFFFFF
_UNICODE_PATH, _UNKNOWN = 0x7075, 0xFFFF  # kinds of extra fields


class PatchedFile(io.FileIO):
    """A file with some bytes replaced as it is read."""

    def __init__(self, path: Path, patches: Mapping[int, int]) -> None:
        super().__init__(path)
        self._patches = patches
        self._places = sorted(patches)

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads bytes from the current position on."""
        start = self.seek(0, io.SEEK_CUR)
        data = super().read(-1 if size is None else size) or b""
        first, last = bisect_left(self._places, start), bisect_left(self._places, start + len(data))
        if first == last:
            return data
        patched = bytearray(data)
        for place in self._places[first:last]:
            patched[place - start] = self._patches[place]
        return bytes(patched)


def open_patched(path: Path) -> tuple[io.BufferedReader | PatchedFile, frozenset[int]]:
    """Opens an archive, with those headers patched that `zipfile` would refuse.

    Returns:
        The file, and the numbers of the entries, from 0, whose names are marked as UTF-8 and are not: these are read as
        CP437, which has a character for every byte.
    """
    patches: dict[int, int] = {}
    misnamed: set[int] = set()
    with path.open("rb") as file:
        for number, (at, local, header, name, extra) in enumerate(_entries(file)):
            patches |= _extra_patches(extra, at + _ENTRY_SIZE + len(name))
            if int.from_bytes(header[6:8], "little") > _NEWEST:
                patches |= {at + 6: _NEWEST, at + 7: 0}
            if name.isascii():
                continue
            flags, is_utf8 = header[9], header[9] & _IS_UTF8
            if is_utf8 and not _is_utf8(name):
                misnamed.add(number)
                is_utf8 = 0
                patches[at + 9] = flags & ~_IS_UTF8
            file.seek(local)
            if len(start := file.read(8)) == 8:  # has to match the directory
                patches[local + 7] = start[7] & ~_IS_UTF8 | is_utf8
    return PatchedFile(path, patches) if patches else path.open("rb"), frozenset(misnamed)


def _extra_patches(extra: bytes, at: int) -> dict[int, int]:
    """Patches that make those extra fields of an entry unknown ones, and so skipped, that `zipfile` cannot read."""
    patches: dict[int, int] = {}
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        value = extra[place + 4 : place + 4 + length]
        if len(value) < length or (kind == _UNICODE_PATH and not (len(value) >= 5 and _is_utf8(value[5:]))):
            new = struct.pack("<HH", _UNKNOWN, len(value))
            patches |= {at + place + step: byte for step, byte in enumerate(new)}
        place += 4 + length
    return patches


def _entries(file: io.BufferedReader) -> Iterator[tuple[int, int, bytes, bytes, bytes]]:
    """Yields position, file position, header, name and extra fields of each entry; ends at the first invalid one."""
    size = file.seek(0, io.SEEK_END)
    tail_at = max(0, size - _END_SIZE - 0xFFFF)
    file.seek(tail_at)
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + _END_SIZE:
        return
    length, offset = struct.unpack_from("<LL", tail, end + 12)
    behind = tail_at + end
    if end >= _END64_BEHIND and tail[end - _END64_BEHIND :].startswith(b"PK\x06\x06"):
        behind -= _END64_BEHIND
        length, offset = struct.unpack_from("<QQ", tail, end - _END64_BEHIND + 40)
    at = behind - length
    if at < 0:
        return
    shift = at - offset  # bytes before the archive
    file.seek(at)
    directory = file.read(length)
    place = 0
    while directory.startswith(_ENTRY, place) and len(directory) >= place + _ENTRY_SIZE:
        header = directory[place : place + _ENTRY_SIZE]
        name_size, extra_size, comment_size = struct.unpack_from("<HHH", header, 28)
        [local] = struct.unpack_from("<L", header, 42)
        name = directory[place + _ENTRY_SIZE : place + _ENTRY_SIZE + name_size]
        extra_at = place + _ENTRY_SIZE + name_size
        extra = directory[extra_at : extra_at + extra_size]
        yield at + place, size if local == _IN_EXTRA else local + shift, header, name, extra
        place += _ENTRY_SIZE + name_size + extra_size + comment_size


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
