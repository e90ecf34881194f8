"""ZIPs that ACC delivers, also those that a careful client must not trust."""

import bz2
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Literal

from .docx import packed

Kind = Literal["good", "traversal", "bad_crc", "bomb", "bomb_deflate", "deflate64"]
_BOMB = 42_000
_DEFLATE_BOMB = 1_300_000
_EXPANDED = 64 << 20


def make_zip(entries: Sequence[tuple[str, bytes]], kind: Kind = "good") -> bytes:
    """An archive of these entries, or one of the bad kinds."""
    if kind == "traversal":
        return packed([*entries, ("../../x", b"This is outside the folder.\n")])
    if kind == "bad_crc":
        return _with_wrong_crc(entries)
    if kind in ("bomb", "bomb_deflate"):
        return _bomb(kind)
    if kind == "deflate64":
        return _with_deflate64(entries)
    return packed(entries)


def _with_deflate64(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """The last entry is said to be compressed by Deflate64, as Windows does with large files."""
    data = bytearray(packed(entries))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        last = archive.infolist()[-1]
    struct.pack_into("<H", data, last.header_offset + 8, 9)
    struct.pack_into("<H", data, data.rindex(b"PK\x01\x02") + 10, 9)
    return bytes(data)


def _with_wrong_crc(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """The last entry's bytes are not those its CRC was taken of."""
    data = bytearray(packed(entries, zipfile.ZIP_STORED))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        last = archive.infolist()[-1]
    name, extra = struct.unpack_from("<HH", data, last.header_offset + 26)
    data[last.header_offset + 30 + name + extra + last.file_size // 2] ^= 0xFF
    return bytes(data)


@cache
def _bomb(kind: Literal["bomb", "bomb_deflate"]) -> bytes:
    """Every entry is the same 64 MiB of zeros: 42 kB that unpack to some 14 GB by bzip2, 1.3 MB to 1.3 GB by deflate.

    The local headers and the directory are written by hand; compressing 14 GB through zipfile would take a minute.
    """
    zeros = bytes(_EXPANDED)
    crc = zipfile.crc32(zeros)  # type: ignore[attr-defined]
    method, body, size = (12, bz2.compress(zeros), _BOMB) if kind == "bomb" else (8, _deflated(zeros), _DEFLATE_BOMB)
    archive, directory, count = bytearray(), bytearray(), 0
    while len(archive) + len(directory) < size:
        count += 1
        name = f"{count:04d}.pdf".encode()
        shared = struct.pack("<HHHHHLLLHH", 46, 0, method, 0, 33, crc, len(body), len(zeros), len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 46) + shared + struct.pack("<HHHLL", 0, 0, 0, 0, len(archive))
        directory += name
        archive += b"PK\x03\x04" + shared + name + body
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(archive), 0)
    return bytes(archive + directory + b"PK\x05\x06" + end)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
