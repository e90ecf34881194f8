"""`register.csv` as spreadsheets read it, and what may be in the place of `register.json`."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.errors import TargetError
from aps_async.ledger.places import FolderPlace
from aps_async.sync.register import RegisterRow, as_csv, read_register

LINK = 'HYPERLINK("http://x.example";"A-101")'


@pytest.mark.parametrize(
    "text",
    [
        *(f"{sign}{LINK}" for sign in "=+-@"),
        *(
            f"{sign}1+1" for sign in "\uff1d\uff0b\uff0d\uff20\ufe66\ufe62"
        ),  # as Japanese and Chinese keyboards type them
        *(
            f"{unseen}={LINK}"
            for unseen in (" ", "\xa0", "\u3000", "\u200b", "\ufeff", "\x00", "\x1f", "\u2028", " \t ")
        ),
        "\tA-101",
        "\r=1",
        "\n=1",
        "\x0b-1",
    ],
)
def test_no_text_is_a_formula(text: str) -> None:
    row = RegisterRow(number=text, title=text, name=text, folder=text, file=text, reason=text, state="new")
    [found] = csv.DictReader(as_csv([row]))
    assert {found[name] for name in ("number", "title", "name", "folder", "file", "reason")} == {f"'{text}"}


@pytest.mark.parametrize(
    "text", ["A-101", "\u00e9lec", "1=2", "(=1)", "\u2212 2", "", " A-101", "\U0001f600", "#1", "\u200b"]
)
def test_other_texts_are_as_they_are(text: str) -> None:
    [found] = csv.DictReader(as_csv([RegisterRow(number=text, state="new")]))
    assert found["number"] == text


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: path.symlink_to("/dev/null"), lambda path: path.symlink_to(path), os.mkfifo]
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
async def test_what_is_not_a_register_is_named(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "register.json")
    with pytest.raises(TargetError, match=r"register\.json: a link, a folder or something else that is not ours"):
        await read_register(FolderPlace(tmp_path))
