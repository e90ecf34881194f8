"""Pictures of first pages, made in a process of their own; needs the extra `report`.

Another process, because a damaged PDF may crash the renderer, and because rendering keeps the interpreter busy.
"""

import base64
import hashlib
import io
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Self

from attrs import define, field, frozen

from aps_async.children import can_start_python, python_command
from aps_async.extras import needed
from aps_async.filesystem import open_own
from aps_async.lazy import regex

__all__ = ["MOST", "REPORT_HTML", "Pictures", "Thumbnail", "ThumbnailProcess", "run_child", "why_none"]
__dir__: object = __all__.copy

REPORT_HTML = "report.html"
MOST = 2000
"""Sheets of a report with thumbnails; a larger one has none."""
_BOX = 320  # pixels, the longer side
_SMALLEST = 80
_BUDGET = 40 << 20  # bytes of all pictures
_LARGEST = _BUDGET // MOST  # bytes of one
_TIME_LIMIT = 300.0  # seconds for those that are missing at the end
_NICE = 10
_LONGEST_LINE = 1 << 18
_IMAGE = regex(
    rb'<img data-of="([0-9a-f]{16})" [^>]*width="(\d{1,4})" height="(\d{1,4})"[^>]*;base64,([A-Za-z0-9+/]+=*)">'
)
_CHILD = "from aps_async.report import thumbnails; thumbnails.run_child()"


@frozen
class Thumbnail:
    """One picture."""

    width: int
    height: int
    data: str
    """WebP in Base64."""
    of: str
    """Stands for the file that it was made of, as it was then."""


def why_none(sheets: int) -> str | None:
    """Why a report about that many sheets has no thumbnails; None if it has them."""
    if sheets > MOST:
        return f"There are no thumbnails, because there are more than {MOST:,} sheets."
    if find_spec("pypdfium2") is None or find_spec("PIL") is None:
        return "There are no thumbnails, because the extra for them is not installed: pip install 'aps-async[report]'"
    if not can_start_python():
        return "There are no thumbnails, because the program that made this report cannot start Python."
    return None


@define(eq=False)
class ThumbnailProcess:
    """Makes thumbnails of PDFs in a folder: those that are announced during a run, at a low priority."""

    folder: Path
    """Of the report: pictures of an earlier one are used again for files that are as they were."""
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _lines: "queue.SimpleQueue[bytes | None]" = field(factory=lambda: queue.SimpleQueue[bytes | None](), init=False)
    _writer: threading.Thread | None = field(default=None, init=False)
    _timer: threading.Timer | None = field(default=None, init=False)
    _announced: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def close(self) -> None:
        """Ends the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        process.kill()
        self._lines.put(None)
        if self._writer is not None:
            self._writer.join()
        with suppress(OSError), process:  # closes its pipes and waits for it; what it has not read is lost
            pass

    def stop(self) -> None:
        """Ends the process; the thumbnails that are still missing will be None."""
        if self._process is not None:
            self._process.kill()

    def announce(self, path: Path) -> None:
        """Lets a thumbnail be made that a report will show; nothing waits for it.

        A report of more than `MOST` sheets has none, so that the process ends then.
        """
        self._announced += 1
        if self._announced > MOST:
            self.close()
        else:
            self._send("make", path)

    def show(self, paths: Iterable[Path]) -> None:
        """Asks for thumbnails, which can then be read in the same order."""
        for each in paths:
            self._send("show", each)
        self._timer = threading.Timer(_TIME_LIMIT, self.stop)
        self._timer.daemon = True
        self._timer.start()

    def read(self) -> Thumbnail | None:
        """The next thumbnail; None if there can be none of this PDF, or if the process has ended."""
        assert self._process is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        found = json.loads(line) if line.endswith(b"\n") else None
        return Thumbnail(*found) if found else None

    def _send(self, what: str, path: Path) -> None:
        if self._process is None:
            if self._writer is not None or why_none(1) is not None:
                return
            self._begin()
        line = json.dumps([what, os.fspath(path.absolute())])
        self._lines.put(f"{line}\n".encode("utf-8", "surrogatepass"))

    def _begin(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own
            python_command(_CHILD, os.fspath(self.folder.absolute())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # A thread, since the process may be busy for a while before it reads on.
        self._writer = threading.Thread(target=self._write, args=(self._process,), daemon=True)
        self._writer.start()

    def _write(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(OSError):  # it has ended already: there will be no thumbnails
            while (line := self._lines.get()) is not None:
                process.stdin.write(line)
                process.stdin.flush()


def run_child() -> None:
    """The other process: lines of JSON come in, and one goes out for each thumbnail that is to be shown."""
    folder = Path(sys.argv[1])
    pdfium = needed("pypdfium2", "report", "thumbnails")
    image = needed("PIL.Image", "report", "thumbnails")
    with tempfile.TemporaryFile() as spool:
        made = Pictures(spool, lambda path: _picture(pdfium, image, path))
        made.take_over(folder)
        ahead, is_over, one_at_once = queue.SimpleQueue[Path](), threading.Event(), threading.Lock()

        def make_ahead() -> None:
            if sys.platform == "linux":  # where a thread has a priority of its own
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
            while True:
                path = ahead.get()
                with one_at_once:
                    if is_over.is_set():
                        return
                    made.picture(folder, path)

        threading.Thread(target=make_ahead, daemon=True).start()
        for line in sys.stdin.buffer:
            what, path = json.loads(line.decode("utf-8", "surrogatepass"))
            if what == "make":
                ahead.put(Path(path))
                continue
            is_over.set()  # a caller is waiting now
            with one_at_once:
                found = made.picture(folder, Path(path))
            sys.stdout.buffer.write(found + b"\n")
            sys.stdout.flush()


@frozen
class Pictures:
    """Pictures in a file of their own, in JSON: there may be 40 MiB of them."""

    spool: IO[bytes]
    draw: Callable[[Path], tuple[int, int, str] | None]
    _places: dict[str, tuple[int, int]] = field(factory=dict[str, tuple[int, int]], init=False)

    def picture(self, folder: Path, path: Path) -> bytes:
        """The thumbnail of a file as it is now, as JSON."""
        try:
            of = _digest(folder, path)
        except (OSError, ValueError):
            return b"null"
        if of not in self._places:
            try:
                found = self.draw(path)
            except Exception:  # noqa: BLE001 - whatever is wrong with one PDF, the others are shown
                found = None
            self._keep(of, json.dumps([*found, of] if found else None).encode())
        start, size = self._places[of]
        self.spool.seek(start)
        return self.spool.read(size)

    def take_over(self, folder: Path) -> None:
        """Keeps the pictures of the report that is there; others may have written it."""
        with suppress(OSError), os.fdopen(open_own(folder / REPORT_HTML, os.O_RDONLY), "rb") as file:
            while (line := file.readline(_LONGEST_LINE)) and self.spool.tell() < 2 * _BUDGET:
                if found := _IMAGE.search(line):
                    of, width, height, data = (each.decode() for each in found.groups())
                    self._keep(of, json.dumps([int(width), int(height), data, of]).encode())

    def _keep(self, of: str, text: bytes) -> None:
        start = self.spool.seek(0, os.SEEK_END)
        self.spool.write(text)
        self._places[of] = start, len(text)


def _digest(folder: Path, path: Path) -> str:
    """Stands for a file as it is now, like the stamps of the ledger."""
    found = os.lstat(path)
    of = [str(path.relative_to(folder)), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()[:16]


def _picture(pdfium: Any, image: Any, path: Path) -> tuple[int, int, str] | None:
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
        if out.tell() <= _LARGEST:
            return picture.width, picture.height, base64.b64encode(out.getvalue()).decode()
        box //= 2
    return None
