"""Pictures of first pages, made in a process of their own; needs the extra `report`.

Another process, because a damaged PDF may crash the renderer, and because rendering keeps the interpreter busy.
"""

import base64
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from attrs import define, field, frozen

from aps_async.extras import needed
from aps_async.filesystem import open_own

__all__ = ["MOST", "Thumbnail", "ThumbnailProcess", "run_child", "why_none"]
__dir__: object = __all__.copy

MOST = 2000
"""Sheets of a report with thumbnails; a larger one has none."""
_BOX = 320  # pixels, the longer side
_SMALLEST = 80
_BUDGET = 40 << 20  # bytes of all pictures
_LARGEST = 48 << 10  # bytes of one
_TIME_LIMIT = 300.0  # seconds for all of them
_CHILD = "from aps_async.report import thumbnails; thumbnails.run_child()"


@frozen
class Thumbnail:
    """One picture."""

    width: int
    height: int
    data: str
    """WebP in Base64."""


def why_none(sheets: int) -> str | None:
    """Why a report about that many sheets has no thumbnails; None if it has them."""
    if sheets > MOST:
        return f"There are no thumbnails, because there are more than {MOST:,} sheets."
    if find_spec("pypdfium2") is None or find_spec("PIL") is None:
        return "There are no thumbnails, because the extra for them is not installed: pip install 'aps-async[report]'"
    return None


@define
class ThumbnailProcess:
    """Makes the thumbnails of these PDFs, which are then read in the same order."""

    paths: Sequence[Path]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _timer: threading.Timer | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._timer = threading.Timer(_TIME_LIMIT, self.stop)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *problem: object) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker
        assert self._timer is not None  # noqa: S101
        self._timer.cancel()
        self._process.kill()
        with self._process:  # closes its pipes and waits for it
            pass

    def stop(self) -> None:
        """Ends the process; the thumbnails that are still missing will be None."""
        if self._process is not None:
            self._process.kill()

    def send(self) -> None:
        """Gives the process its work, before the first `read`."""
        assert self._process is not None  # noqa: S101 - for the type checker
        assert self._process.stdin is not None  # noqa: S101
        largest = min(_LARGEST, _BUDGET // max(1, len(self.paths)))
        work = json.dumps({"paths": [os.fspath(each.absolute()) for each in self.paths], "largest": largest})
        try:
            with self._process.stdin as stdin:
                stdin.write(work.encode("utf-8", "surrogatepass"))
        except OSError:  # it has ended already: there will be no thumbnails
            self._process.kill()

    def read(self) -> Thumbnail | None:
        """The next thumbnail; None if there can be none of this PDF, or if the process has ended."""
        assert self._process is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        found = json.loads(line) if line.endswith(b"\n") else None
        return Thumbnail(*found) if found else None


def run_child() -> None:
    """The other process: paths come in as JSON, and one line of JSON goes out for each."""
    work = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    pdfium = needed("pypdfium2", "report", "thumbnails")
    image = needed("PIL.Image", "report", "thumbnails")
    for path in work["paths"]:
        try:
            found = _picture(pdfium, image, Path(path), work["largest"])
        except Exception:  # noqa: BLE001 - whatever is wrong with one PDF, the others are shown
            found = None
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def _picture(pdfium: Any, image: Any, path: Path, largest: int) -> tuple[int, int, str] | None:
    """The first page, made smaller until its bytes fit."""
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        document = pdfium.PdfDocument(file)
        try:
            page = document[0]
            scale = _BOX / max(*page.get_size(), 1)
            picture = page.render(scale=scale).to_pil().convert("RGB")
        finally:
            document.close()
    box = _BOX
    while box >= _SMALLEST:
        picture.thumbnail((box, box), image.Resampling.LANCZOS)
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=50, method=0)
        if out.tell() <= largest:
            return picture.width, picture.height, base64.b64encode(out.getvalue()).decode()
        box //= 2
    return None
