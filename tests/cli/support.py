"""What these tests share: a simulator in a process of its own, the command line in another or in this one, PDFs."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pypdfium2
from attrs import frozen
from reportlab.pdfgen.canvas import Canvas

from tests.documents import lying_in

COMMAND = (sys.executable, "-W", "error", "-m", "aps_async")
ESCAPES = "\x1b]0;owned\x07[bold red]Odd[/] \u202etitle"
SHEET = "urn:adsk.wipprod:fs.file:vf.GoodSheetOneHundredOne0?version=1"
ITEM = "urn:adsk.wipprod:dm.lineage:GoodSheetOneHundredOne0"
PROJECT_ID = "6f1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5"
WORLD = {
    "warnings": [{"region": "APAC"}],
    "apps": [
        {"id": "app-of-this-account", "secret": "its-own-secret"},
        {"id": "stranger", "secret": "secret-of-a-stranger", "provisioned": False},
    ],
    "users": [{"id": "USER1", "name": "Ada"}],
    "hubs": [
        {
            "name": "Northlight",
            "region": "EMEA",
            "projects": [
                {
                    "name": "Riverside",
                    "id": PROJECT_ID,
                    "folders": [
                        {
                            "name": "Plans",
                            "folders": [
                                {
                                    "name": "Good",
                                    "items": [
                                        {"number": "A-101", "title": "Ground", "id": ITEM, "versions": [SHEET]},
                                        {"number": "A-102", "title": ESCAPES},
                                        {"number": "A-103", "title": "Schnitt Ä-Ä"},
                                    ],
                                },
                                {"name": "Broken", "items": [{"number": "B-1", "fails": True}, {"number": "B-2"}]},
                                {
                                    "name": "Endless",
                                    "items": [{"number": f"E-{n}"} for n in (1, 2, 3)]
                                    + [{"number": "E-9", "never": True}],
                                },
                                {"name": "Empty"},
                            ],
                        }
                    ],
                },
                {"name": "Tower", "projectType": "ACC", "folders": [{"name": "Project Files"}]},
                {"name": "Annex", "forbidden": True, "folders": [{"name": "Plans"}]},
                {"name": "Bare", "folders": [{"name": "Project Files"}]},
            ],
        }
    ],
}


@frozen
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str


def clean_environment(env: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anything that would change what a command does or prints."""
    unwanted = ("APS_", "PYTHON", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FORCE_COLOR", "GITHUB_ACTIONS")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(unwanted)}
    homeless = {"XDG_CONFIG_HOME": os.devnull, "XDG_DATA_HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    return kept | homeless | {"COLUMNS": "100", "TERM": "xterm"} | (env or {})


def start(*argv: str, env: dict[str, str] | None = None, **options: Any) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*COMMAND, *argv], text=True, env=clean_environment(env), **options)  # noqa: S603


def run(*argv: str, env: dict[str, str] | None = None, **options: Any) -> Ran:
    """A command in a process of its own, to its end."""
    with start(*argv, env=env, **options) as process:
        out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out or "", err or "")


@frozen
class Simulation:
    """`aps-async simulate`, running."""

    process: "subprocess.Popen[str]"
    lines: tuple[str, ...]
    env: dict[str, str]

    @property
    def url(self) -> str:
        return self.env["APS_BASE_URL"]

    def control(self, name: str, method: str = "GET", body: Any = None) -> Any:
        """One call to its control interface."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/simulator/{name}", data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    @contextmanager
    def faults(self, *faults: dict[str, Any]) -> Iterator[None]:
        """Lets things go wrong for a while."""
        self.control("faults", "POST", list(faults))
        try:
            yield
        finally:
            self.control("faults", "DELETE")


@contextmanager
def simulation(*options: str) -> Iterator[Simulation]:
    """Runs `aps-async simulate` and reads what it prints, as a person would."""
    with start("simulate", *options) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Press Ctrl-C"):
                break
        try:
            assert lines, process.communicate(timeout=10)
            yield Simulation(process, tuple(lines), exported(lines))
        finally:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
    ended = (process.returncode, err)
    assert ended == (130, "aps-async: stopped\n"), ended


def paths_in(folder: Path) -> list[Path]:
    """Everything in a folder but its ledger and register."""
    return [folder / name for name in lying_in(folder)]


def exported(lines: Sequence[str]) -> dict[str, str]:
    """The variables that shell lines set."""
    words = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
    return dict(word.split("=", 1) for word in words)


def pdf_with(*texts: str) -> bytes:
    """A PDF with one page for each text."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(300, 200))
    for text in texts:
        canvas.drawString(20, 100, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def text_of(path: Path) -> str:
    """The text of a PDF that has exactly one page."""
    document = pypdfium2.PdfDocument(path)
    try:
        assert len(document) == 1
        page = document[0]
        text_page = page.get_textpage()
        text = text_page.get_text_range()
        text_page.close()
        page.close()
        return str(text)
    finally:
        document.close()
