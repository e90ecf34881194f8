"""Checks a file while its bytes arrive: signature, size and hashes."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from threading import Event

from attrs import field, frozen

from aps_async.arguments import check_functions
from aps_async.downloads.digests import Digests
from aps_async.downloads.pdf_head import PDF_HEAD, PDF_HEAD_WITHIN
from aps_async.errors import IncompleteDownloadError
from aps_async.transport.response import describe

__all__ = ["ANY", "DOCX", "PDF", "ZIP", "ContentCheck", "Expected", "Signature"]
__dir__: object = __all__.copy

_PADDING = b"\0 \t\r\n\f"


@frozen
class Signature:
    """How files of one type begin and end, and what else is checked."""

    name: str
    suffix: str
    head: bytes
    tail: bytes = b""
    tail_within: int = 1024
    """The tail has to be within this many last bytes, not counting NULs and white space at the very end."""
    verify: Callable[[Path, Event], Sequence[str] | None] | None = field(default=None, repr=False)
    """Checks the whole part file, in a thread, before it gets its final name; returns warnings. Once the event is set,
    it has to end soon, with any error."""
    head_within: int = 0
    """The head may begin this many bytes into the file."""
    tail_required: bool = True
    """Whether a missing tail is an error although the length is right; otherwise it is a warning."""
    inner: bytes = b""
    """What never comes behind the last tail. A file may have several, so that one which was cut off may seem whole."""
    media_type: str = "application/octet-stream"

    def __attrs_post_init__(self) -> None:
        check_functions(verify=self.verify)


def _verify_archive(path: Path, stop: Event) -> tuple[str, ...]:
    from aps_async.downloads.archives import verify_archive

    return verify_archive(path, stop=stop)


# Viewers accept bytes before the header and a damaged end. Both are common in users' own documents.
PDF = Signature(
    "PDF",
    ".pdf",
    PDF_HEAD,
    b"%%EOF",
    65_536,
    head_within=PDF_HEAD_WITHIN,
    tail_required=False,
    inner=b" obj",  # a PDF for the web, or one that was edited, has more than one end mark
    media_type="application/pdf",
)
ZIP = Signature("ZIP", ".zip", b"PK", b"PK\x05\x06", 65_557, _verify_archive, media_type="application/zip")
DOCX = Signature(
    "DOCX",
    ".docx",
    b"PK\x03\x04",
    b"PK\x05\x06",
    65_557,
    _verify_archive,
    media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
)
ANY = Signature("file", "", b"")


@frozen(kw_only=True)
class Expected:
    """The requirements for a file, known before it is downloaded."""

    signatures: tuple[Signature, ...] = (PDF,)
    """The types that it may have; its first bytes decide which one it is."""
    size: int | None = None
    """Bytes."""
    sha1: str | None = None
    """As hexadecimal digits."""


@cache
def _reach(signatures: tuple[Signature, ...]) -> tuple[int, int, int]:
    """Bytes of the longest head, of the window in which a head may be, and of the end that is kept."""
    return (
        max(len(each.head) for each in signatures),
        max(len(each.head) + each.head_within for each in signatures),
        max(1, *(each.tail_within for each in signatures)),
    )


def _unpadded(piece: bytes) -> int:
    """The length without the padding at the end. Not by `rstrip`, which would copy the piece."""
    end = piece[-64:]
    stripped = end.rstrip(_PADDING)
    return len(piece) - len(end) + len(stripped) if stripped else len(piece.rstrip(_PADDING))


class ContentCheck:
    """Takes the bytes of one file in order: counts and hashes them, and keeps both ends.

    `mark` and `rewind` return to the beginning of a part that has to be downloaded again. `digests.settle()` has to be
    awaited before `mark`, `verify` and `sha256`.
    """

    def __init__(self, expected: Expected, *, sha256: bool = False) -> None:
        self.signature: Signature = expected.signatures[0]
        self.received: int = 0
        self.size: int | None = expected.size
        """The required size in bytes, if that is known beforehand."""
        self._expected = expected
        self._longest_head, self._window, self._keep = _reach(expected.signatures)
        self._head: bytes = b""
        self._last: deque[tuple[bytes, int]] = deque()  # the last pieces, and the bytes of each that are not padding
        self._last_size: int = 0
        self._padding: int = 0  # bytes of padding after them
        self.digests: Digests = Digests(*["sha1"] * bool(expected.sha1), *["sha256"] * sha256)
        self.mark()

    @property
    def sha256(self) -> str | None:
        """Hexadecimal digits; None if it was not requested."""
        return self.digests.hexdigest("sha256")

    def recognize(self, head: bytes, *, complete: bool) -> bool:
        """Decides which type the file has; False if that needs more bytes, unless these are all (`complete`).

        Raises:
            IncompleteDownloadError: it has none of the expected types.
        """
        if not head and self.size == 0:
            return True
        # An archive may contain a PDF close to its beginning, so exact matches come first.
        exact = [each for each in self._expected.signatures if head.startswith(each.head)]
        if not exact and len(head) < self._longest_head and not complete:
            return False
        found = exact or [
            each for each in self._expected.signatures if each.head in head[: each.head_within + len(each.head)]
        ]
        if found:
            self.signature = found[0]
            return True
        if len(head) < self._window and not complete:
            return False
        kinds = " or ".join(each.name for each in self._expected.signatures)
        raise IncompleteDownloadError(f"the content is not a {kinds} but {describe(head)}")

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes."""
        self.received += len(piece)
        if len(self._head) < self._window:
            self._head += piece[: self._window - len(self._head)]
        self.digests.update(piece)
        length = _unpadded(piece)
        if length:
            if self._padding:
                self._keep_end(bytes(min(self._padding, self._keep)), min(self._padding, self._keep))
            self._keep_end(piece, length)
            self._padding = 0
        self._padding += len(piece) - length

    def _keep_end(self, piece: bytes, length: int) -> None:
        """Keeps the piece and drops those too far from the end. Copying the end for each piece would be slow."""
        self._last.append((piece, length))
        self._last_size += length
        while self._last_size - self._last[0][1] >= self._keep:
            self._last_size -= self._last.popleft()[1]

    def _end(self, size: int) -> bytes:
        """The last bytes, without the padding behind them."""
        found: list[bytes] = []
        for piece, length in reversed(self._last):
            found.append(piece[max(0, length - size) : length])
            size -= len(found[-1])
            if not size:
                break
        return b"".join(reversed(found))

    def mark(self) -> None:
        """Saves this state for `rewind`."""
        ends = (self.received, self._head, tuple(self._last), self._last_size, self._padding)
        self._marked = (ends, self.digests.copy())

    def rewind(self) -> None:
        """Returns to the state at `mark`."""
        ends, digests = self._marked
        self.received, self._head, last, self._last_size, self._padding = ends
        self._last = deque(last)
        self.digests = digests.copy()

    def verify(self, total: int | None, *, ends_unmarked: bool = False) -> tuple[str, ...]:
        """Checks the whole file, and returns warnings.

        Args:
            total: the size in bytes that storage reported; None if it did not.
            ends_unmarked: the end of the connection was the end of the file, as it is if the connection is lost.

        Raises:
            IncompleteDownloadError: the file is incomplete, or not the expected one.
        """
        size = total if self.size is None else self.size
        if size is not None and self.received != size:
            raise IncompleteDownloadError(f"{self.received} bytes arrived instead of {size}")
        self.recognize(self._head, complete=True)
        sha1 = self.digests.hexdigest("sha1")
        if sha1 is not None and sha1 != (self._expected.sha1 or "").lower():
            raise IncompleteDownloadError("the file's sha1 differs from the one that storage gives")
        kind = self.signature
        # Searched from the end, where it nearly always is: from the start it would take longer than all other checks.
        end = self._end(kind.tail_within)
        at = end.rfind(kind.tail.rstrip(_PADDING))
        if at >= 0:
            if ends_unmarked and size is None and sha1 is None and kind.inner and end.find(kind.inner, at) >= 0:
                raise IncompleteDownloadError(f"the {kind.name} is cut off: it continues after its end mark")
            return ()
        if kind.tail_required or (size is None and sha1 is None):
            raise IncompleteDownloadError(f"the {kind.name} is cut off: its end mark is missing")
        return (f"the {kind.name} has no end mark ({kind.tail.decode()}), although its length is right",)
