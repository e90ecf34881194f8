"""File names: any title becomes a unique name that is valid on every system."""

import os
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async import InputError
from aps_async.downloads.filenames import NameBook, checked_name, checked_relative, fitted, name_limit, safe_stem
from aps_async.text import look

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


HOSTILE = [
    "", " ", ".", "..", "../x", "../../x", "/etc/passwd", "a/b", "a/../b", "a\\b", "..\\x", "\\\\server\\share", "C:",
    "C:x", "c:\\x", "x:stream", "a\x00b", "\x00", "a\nb", "a\x1bb", "\x7f", "CON", "con.pdf", "Nul ", "COM1.pdf",
    "LPT¹", "aux.x.pdf",
    ".hidden", ".aps-async.sqlite", ".aps-async.lock", " a", "a ", "a.", "a\u00a0", "\u202egpj.exe", "a\ud83d",
    "a*", "a?", "<a", "a|",
    '"a"', "a" * 256, "ü" * 128, "~/../x/", "a/", "//", "a//b",
]  # fmt: skip


@pytest.mark.parametrize("name", [*HOSTILE, None, 7, 1.5, b"a.pdf", ["a"]])
def test_a_name_from_outside_that_could_lead_anywhere_else_is_refused(name: object) -> None:
    with pytest.raises(InputError):
        checked_name(name)


@settings(deadline=None, max_examples=300)
@given(title=titles)
def test_every_name_of_our_own_is_accepted(title: str) -> None:
    book = NameBook()
    for name in (safe_stem(title), book.take(title), book.take(title), book.take(title, ".zip")):
        assert checked_name(name) == name


@settings(deadline=None, max_examples=300)
@given(name=titles)
def test_every_name_that_is_accepted_stays_in_its_folder(name: str) -> None:
    try:
        checked_name(name)
    except InputError:
        return
    assert Path("/folder", name).parent == Path("/folder")
    assert Path(f"/folder/{name}").name == name
    assert PureWindowsPath("C:\\folder", name).parent == PureWindowsPath("C:\\folder")


def test_the_parts_of_a_relative_name_are_checked_one_by_one() -> None:
    assert checked_relative("Clinic/Level 1/A-101.pdf") == ("Clinic", "Level 1", "A-101.pdf")
    for name in HOSTILE:
        if name == "a/b":
            continue
        for whole in (name, f"Clinic/{name}", f"{name}/A-101.pdf"):
            with pytest.raises(InputError):
                checked_relative(whole)


@settings(deadline=None, max_examples=200)
@given(wanted=st.lists(titles, max_size=12), limit=st.integers(64, 255))
def test_names_fit_the_file_system_and_stay_different(wanted: list[str], limit: int) -> None:
    book = NameBook()
    stems = [book.take(title, "") for title in wanted]
    stems += [fitted(stem, limit) for stem in stems]  # titles that look like shortened names, too
    book = NameBook()
    stems = [book.take(stem, "") for stem in stems]
    made = [fitted(stem, limit) for stem in stems]
    assert len({f.casefold() for f in made}) == len({stem.casefold() for stem in stems})
    for short in made:
        assert len(f"{short}.abcdefghij".encode()) <= limit
        assert checked_name(short) == short


@pytest.mark.parametrize(("title", "limit"), [("A" * 180, 255), ("A" * 132, 143), ("ü" * 66, 143), ("A-101", 64)])
def test_a_name_that_fits_stays_as_it_is(title: str, limit: int) -> None:
    assert fitted(title, limit) == title


def test_a_shortened_name_is_the_same_in_every_run_and_its_own() -> None:
    long = "A" * 150
    short = fitted(long, 143)
    assert short.startswith("A" * 100)
    assert short == fitted(long, 143)
    assert len({short, fitted(long + "B", 143), fitted(short, 143)}) == 3


@pytest.mark.parametrize(
    ("answer", "limit"), [(143, 143), (255, 255), (1024, 255), (-1, 255), (0, 255), (14, 64), (OSError(22, "?"), 255)]
)
def test_the_file_system_is_asked_for_its_limit(
    answer: int | OSError, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pathconf(path: object, name: str) -> int:
        assert (path, name) == (tmp_path, "PC_NAME_MAX")
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "pathconf", pathconf)
    assert name_limit(tmp_path) == limit


def test_equal_titles_are_numbered_in_a_time_that_does_not_grow_with_their_number() -> None:
    """Counting from 1 again for each of them would take 1,000 times as long as for different titles."""

    def numbered(titles: list[str]) -> tuple[float, list[str]]:
        book, began = NameBook(), time.process_time()
        names = [book.take(title) for title in titles]
        return time.process_time() - began, names

    seconds, names = numbered(["Ground Floor Plan"] * 5000)
    different, _ = numbered([f"Ground Floor Plan {number}" for number in range(5000)])
    assert seconds < 10 * different
    assert names[::4999] == ["Ground Floor Plan.pdf", "Ground Floor Plan (5000).pdf"]
    assert len(set(names)) == 5000


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Python switches between threads after every few instructions."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_that_share_a_book_never_get_equal_names() -> None:
    threads = 4

    def take(book: NameBook, start: threading.Barrier) -> list[str]:
        start.wait()
        return [book.take("Plan") for _ in range(200)]

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(40):
            book, start = NameBook(), threading.Barrier(threads)
            taken = [pool.submit(take, book, start) for _ in range(threads)]
            names = [name for each in taken for name in each.result()]
            assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Klinik Z\u00fcrich", "Klinik Zu\u0308rich"),
        ("E\u0301cole", "\u00c9cole"),
        ("tower a", "Tower\u00a0A"),
        ("Depot West", " Depot  West\t"),
        ("strasse", "Stra\u00dfe"),
    ],
)
def test_typed_names_match_what_looks_the_same(typed: str, shown: str) -> None:
    assert look(typed) == look(shown)
    assert look(typed) != look(shown + "2")
