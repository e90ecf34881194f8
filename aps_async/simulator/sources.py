"""The bytes of uploaded files and generated documents, as they lie in the object store."""

import hashlib
from collections.abc import Iterator

import attrs

from .costfiles import docx_of, plain_docx
from .pages import Content, Pages
from .parts import FILE, Version
from .replies import Body
from .world import World

_MAGIC = {
    "dwg": b"AC1032\x00\x00\x00\x00\x00\x00",
    "rvt": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16),
    "zip": b"PK\x05\x06" + bytes(18),
}
_MEDIA = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


@attrs.frozen
class Part:
    """A stretch of a larger body."""

    whole: Body
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.stop - self.start

    @property
    def etag(self) -> str:
        """Its own, as parts of an upload have."""
        text = f"{self.whole.etag}|{self.start}|{self.stop}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`."""
        return self.whole.chunks(self.start + start, self.start + stop)


class Sources:
    """Makes and keeps them."""

    def __init__(self, world: World, pages: Pages, seed: int) -> None:
        self._pages, self._seed = pages, seed
        self._digests: dict[tuple[str, int], str] = {}
        if pages.given is not None:  # what is split into the given PDF's pages is that PDF
            for item in {sheet.source for sheet in world.sheets if sheet.source is not None}:
                item.size = len(pages.given)

    def content(self, version: Version, revision: int = 0) -> Content:
        """The file; the same version always gives the same bytes."""
        key = ("source", version.id, revision)
        found = self._pages.cache.get(key)
        if found is None:
            found = self._make(version, revision)
            self._pages.cache.put(key, found, len(found.head))
        return found

    def sha1(self, content: Content) -> str:
        """The digest of a whole file."""
        key = (content.etag, content.size)
        if key not in self._digests:
            digest = hashlib.sha1(usedforsecurity=False)
            for piece in content.chunks(0, content.size):
                digest.update(piece)
            self._digests[key] = digest.hexdigest()
        return self._digests[key]

    def _make(self, version: Version, revision: int) -> Content:
        item, suffix = version.item, suffix_of(version)
        if item.document is not None:
            return Content.of(docx_of(item.document, revision))
        if suffix == "docx":
            return Content.of(plain_docx(item.name, revision))
        if suffix == "pdf":
            return self._pdf(version, revision)
        head = _MAGIC.get(suffix, b"") + f"{self._seed}|{version.id}|{revision}\n".encode()
        etag = hashlib.md5(head, usedforsecurity=False).hexdigest()
        return Content(head[: item.size], item.size, etag)

    def _pdf(self, version: Version, revision: int) -> Content:
        item, given = version.item, self._pages.given
        if given is not None and not revision and any(other.source is item for other in item.folder.items):
            return Content.of(given)
        binding = self._pages.bind(self._pages.file_paintings(version, revision), item.name)
        while True:
            try:
                next(binding)
            except StopIteration as end:
                pdf: bytes = end.value
                break
        roomy = item.size > len(pdf) + 200
        return Content.of(pdf, item.size if roomy else None)


def suffix_of(version: Version) -> str:
    """What the file's name ends in, in lower case."""
    return version.item.name.rpartition(".")[2].lower() if version.item.kind == FILE else ""


def media_of(version: Version) -> str:
    """Its content type."""
    return _MEDIA.get(suffix_of(version), "application/octet-stream")
