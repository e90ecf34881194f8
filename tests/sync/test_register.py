"""`register.csv` as spreadsheets read it, and what may be in the place of `register.json`."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.errors import LedgerError, TargetError
from aps_async.ledger.places import FolderPlace
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.simulator import World
from aps_async.sync.register import RegisterRow, as_csv, read_register
from tests.support import service, session_for
from tests.sync.test_sync import Site

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


DAMAGED = {
    "empty": ("", "it is not what a run writes"),
    "no JSON": ("nonsense", "it is not what a run writes"),
    "a list": ("[]", "it is not what a run writes"),
    "nothing in it": ("{}", "it is not what a run writes"),
    "deep": ("[" * 100_000, "it is not what a run writes"),
    "of a newer version": ('{"form": 99}', "is of form 99, and this version reads form 1"),
    "without its fields": ('{"form": 1, "sheets": []}', "projectId"),
}


@pytest.mark.looptime
@pytest.mark.parametrize(("text", "words"), DAMAGED.values(), ids=DAMAGED)
async def test_a_damaged_register_says_what_helps(tmp_path: Path, text: str, words: str) -> None:
    """With a ledger the next sync writes it again; without one, only moving it away helps."""
    register = tmp_path / "register.json"
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        site = Site(simulator, session, tmp_path)
        await site.sync()
        register.write_text(text, "utf-8")
        with pytest.raises(LedgerError, match="run the sync again to have it written") as reading:
            await read_register(FolderPlace(tmp_path))
        assert words in str(reading.value)
        await site.sync()
        assert await read_register(FolderPlace(tmp_path)) is not None
        register.write_text(text, "utf-8")
        (tmp_path / LEDGER_NAME).unlink()
        with pytest.raises(LedgerError, match="move it away and run it again") as rebuilding:
            await site.sync()
        assert words in str(rebuilding.value)
        assert "run the sync again" not in str(rebuilding.value), "that would fail in the same way"
        register.unlink()
        assert {each.state for each in (await site.sync()).values()} == {"new"}
