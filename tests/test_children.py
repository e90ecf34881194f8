"""Our child processes find the modules of their parent, and are only started where Python is a program of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest

from aps_async.children import can_start_python, python_command
from aps_async.errors import InputError
from aps_async.report.thumbnails import ThumbnailProcess, why_none
from aps_async.sync.merge import MergeSheet, merge_sheets

MODULES = ("json", "queue", "types", "logging", "asyncio", "aps_async")


@pytest.fixture
def strange_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text("raise SystemExit('a module of the current folder was imported')")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "A-101.pdf"
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(path)
    return path


def _output(code: str) -> str:
    return subprocess.run(python_command(code), capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


async def test_sheets_are_joined_in_a_folder_with_modules(strange_folder: Path, sheet: Path) -> None:
    merged = await merge_sheets([MergeSheet(sheet, "A-101")], strange_folder / "all.pdf")
    assert merged.pages == 1


def test_thumbnails_are_made_in_a_folder_with_modules(strange_folder: Path, sheet: Path) -> None:
    with ThumbnailProcess(sheet.parent) as process:
        process.show([sheet])
        assert process.read() is not None


@pytest.mark.parametrize("here", ["", "the folder", None])
def test_a_module_that_only_the_current_folder_has_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str | None
) -> None:
    (tmp_path / "only_here.py").write_text("found = 7")
    monkeypatch.chdir(tmp_path)
    if here is not None:
        monkeypatch.setattr(sys, "path", [here and str(tmp_path), *sys.path])
    code = "from importlib.util import find_spec; print(find_spec('only_here') is not None)"
    assert _output(code) == str(here is not None)


@pytest.mark.parametrize("entry", ['it\'s "odd"', "caf\udce9", "Pläne", "new\nline", 7])
def test_odd_entries_of_the_path_are_passed_on(monkeypatch: pytest.MonkeyPatch, entry: object) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, entry])
    assert _output(f"print({entry!a} in sys.path)") == str(isinstance(entry, str))


@pytest.mark.skipif(sys.platform == "win32", reason="a current folder cannot be removed there")
def test_a_current_folder_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert _output("import json; print(json.dumps(1))") == "1"


PROGRAMS = {
    "python": True,
    "python3": True,
    "python3.13t": True,
    "Python.exe": True,
    "pythonw.exe": True,
    "pypy3.10": True,
    "graalpy": True,
    "": False,
    "Revit.exe": False,
    "export-sheets": False,
    "blender": False,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_python_itself_is_started(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys, "executable", name and f"/opt/some program/{name}")
    assert can_start_python() == PROGRAMS[name]


def test_a_frozen_program_is_not_python_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not can_start_python()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is that of a program with Python inside, which must not be started a second time."""
    path, started = tmp_path / "program", tmp_path / "started"
    path.write_text(f"#!/bin/sh\ntouch '{started}'\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    yield
    assert not started.exists()


@pytest.mark.usefixtures("program")
async def test_a_program_with_python_inside_joins_sheets_itself(tmp_path: Path, sheet: Path) -> None:
    merged = await merge_sheets([MergeSheet(sheet, "A-101"), MergeSheet(sheet, "A-102")], tmp_path / "all.pdf")
    assert (merged.pages, merged.size) == (2, (tmp_path / "all.pdf").stat().st_size)
    with pikepdf.open(tmp_path / "all.pdf") as pdf:
        assert len(pdf.pages) == 2


@pytest.mark.usefixtures("program")
async def test_what_stops_it_there_is_the_same_error(tmp_path: Path, sheet: Path) -> None:
    damaged = tmp_path / "damaged.pdf"
    damaged.write_bytes(b"no PDF")
    with pytest.raises(InputError, match=r"damaged\.pdf"):
        await merge_sheets([MergeSheet(sheet, "1"), MergeSheet(damaged, "2")], tmp_path / "all.pdf")
    assert not (tmp_path / "all.pdf").exists()


@pytest.mark.usefixtures("program")
def test_its_report_says_why_it_has_no_thumbnails(tmp_path: Path, sheet: Path) -> None:
    assert "cannot start Python" in (why_none(1) or "")
    with ThumbnailProcess(tmp_path) as process:
        process.announce(sheet)
        assert not process.is_running
