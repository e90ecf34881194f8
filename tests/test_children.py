"""Our child processes find the modules that their parent has, whatever the current folder contains."""

import subprocess
import sys
from pathlib import Path

import pikepdf
import pytest

from aps_async.children import python_command
from aps_async.report.thumbnails import ThumbnailProcess
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
