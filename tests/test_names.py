"""File names: any title becomes a name that every system takes, and no two alike."""

import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async.names import NameBook, safe_stem

nasty = st.sampled_from(
    ["..", "../", "\\", "CON", "nul", "com1", "COM¹", "LPT9.txt", "A-101", "a-101", ".", " ", "é", "e\u0301", "ﬁ", "ß",
     "\u200d", "\u202e", "\x00", "\n", "%", "图纸", "🏗️", "x" * 200, "ü" * 120, "?", "*", "|", ":", '"', "(2)", " (2)"]
)  # fmt: skip
titles = st.lists(nasty | st.text(max_size=8), max_size=5).map("".join)
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{name}{digit}" for name in ("COM", "LPT") for digit in "123456789¹²³"
}


def assert_safe(name: str) -> None:
    assert name == unicodedata.normalize("NFC", name)
    assert not set(name) & set('/\\:*?"<>|')
    assert name == name.strip(" ")
    assert not name.endswith(".")
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for sign in name)
    assert PureWindowsPath(name).name == name
    assert Path(name).name == name
    assert name.partition(".")[0].rstrip(" ").upper() not in DEVICES
    assert len(name.encode()) <= 200


@settings(deadline=None, max_examples=400)
@given(titles)
def test_any_title_becomes_a_name_that_every_system_takes(title: str) -> None:
    stem = safe_stem(title)
    assert_safe(stem)
    assert_safe(f"{stem}.pdf")
    assert safe_stem(stem) == stem


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("A-101 - Ground Floor Plan", "A-101 - Ground Floor Plan"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "untitled"),
        ("", "untitled"),
        (" . ", "untitled"),
        ("con", "_con"),
        ("CON.dwg", "_CON.dwg"),
        ("conout$", "_conout$"),
        ("Level 1: North/South", "Level 1_ North_South"),
        ("Tab\tand\nline", "Tab and line"),
        ("right\u202eleft", "rightleft"),
        ("Pläne", "Pläne"),
        ("Pla\u0308ne", "Pläne"),
        ("Pla\u200d\u0308ne", "Pläne"),
        ("图纸 1", "图纸 1"),
        ("a" * 500, "a" * 180),
        ("ü" * 500, "ü" * 90),
        ("a\x00b", "ab"),
    ],
)
def test_titles_and_their_names(title: str, stem: str) -> None:
    assert safe_stem(title) == stem


def test_a_title_of_a_million_signs_takes_no_time() -> None:
    assert safe_stem("Plan " * 200_000) == ("Plan " * 36).strip()


@settings(deadline=None, max_examples=150)
@given(st.lists(titles, max_size=12))
def test_no_two_names_of_one_run_are_alike_on_any_system(wanted: list[str]) -> None:
    book = NameBook()
    names = [book.take(title) for title in wanted]
    folded = {unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold()) for name in names}
    assert len(folded) == len(names)
    for name in names:
        assert_safe(name)


def test_the_second_sheet_of_one_title_is_numbered() -> None:
    book = NameBook()
    wanted = ["Plan", "plan", "Plan (2)", "Plan", "PLAN"]
    assert [book.take(title) for title in wanted] == [
        "Plan.pdf", "plan (2).pdf", "Plan (2) (2).pdf", "Plan (3).pdf", "PLAN (4).pdf"
    ]  # fmt: skip
    assert book.take("Plan", ".zip") == "Plan.zip"


@settings(deadline=None, max_examples=60)
@given(title=titles)
def test_this_system_really_takes_the_name(title: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("names")
    path = folder / NameBook().take(title)
    path.write_bytes(b"x")
    assert [found.name for found in folder.iterdir()] == [path.name]
