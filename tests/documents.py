"""Looking into what was delivered."""

import zipfile
from pathlib import Path

import pypdfium2


def texts_of(pdf: Path | bytes) -> list[str]:
    """The text of every page."""
    with pypdfium2.PdfDocument(pdf) as document:
        found = []
        for number in range(len(document)):
            page = document[number]
            text_page = page.get_textpage()
            found.append(str(text_page.get_text_range()))
            text_page.close()
            page.close()
        return found


def pages_in(pdf: Path | bytes) -> int:
    """How many pages a PDF has."""
    with pypdfium2.PdfDocument(pdf) as document:
        return len(document)


def entries_of(archive: Path) -> dict[str, bytes]:
    """A ZIP's files by name."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


OURS = (".aps-async.sqlite", ".aps-async.lock", "register.csv", "register.json", "report.html")


def lying_in(folder: Path) -> list[str]:
    """The names of everything in a folder but its ledger, register and report."""
    return sorted(path.name for path in folder.iterdir() if path.name not in OURS)
