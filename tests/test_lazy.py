"""What is made at its first use."""

import re
import subprocess
import sys
from typing import Any

import pytest

from aps_async.lazy import regex


@pytest.mark.parametrize(
    ("text", "flags", "subject"),
    [
        (r"a(\d+)", 0, "xa12 a3"),
        (r"A(\d+)", re.IGNORECASE, "a12"),
        (rb"(?P<all>.+)", 0, b"bytes"),
        (r"nothing", 0, "a12"),
        (r"", 0, ""),
    ],
)
def test_a_pattern_finds_what_a_compiled_one_finds(text: Any, flags: int, subject: Any) -> None:
    ours, theirs = regex(text, flags), re.compile(text, flags)
    for name in ("match", "fullmatch", "search"):
        found, expected = (getattr(each, name)(subject) for each in (ours, theirs))
        assert (found and found.groups()) == (expected and expected.groups())
    for name in ("findall", "split"):
        assert getattr(ours, name)(subject) == getattr(theirs, name)(subject)
    assert ours.sub(subject[:0], subject) == theirs.sub(subject[:0], subject)
    assert [each.span() for each in ours.finditer(subject)] == [each.span() for each in theirs.finditer(subject)]
    assert (ours.pattern, ours.flags, ours.groups) == (theirs.pattern, theirs.flags, theirs.groups)


def test_a_pattern_is_compiled_when_it_is_used() -> None:
    wrong = regex("(")
    assert wrong.pattern == "("
    with pytest.raises(re.error):
        wrong.match("")
    with pytest.raises(AttributeError):
        _ = regex("a").nothing  # type: ignore[attr-defined]


def test_a_program_that_starts_an_export_does_not_import_the_rest_first() -> None:
    code = (
        "import sys; from aps_async import Session, TwoLegged, bim360, wait_for_export; "
        "print(*(name for name in sys.modules if name.startswith('aps_async.')), 'orjson' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    *names, has_orjson = ran.stdout.split()
    assert has_orjson == "False"
    parts = {".".join(name.split(".")[1:2]) for name in names}
    assert not parts & {"downloads", "ledger", "sync", "report", "pdf", "workers", "cli", "simulator", "integrations"}
    assert {name.rpartition(".")[2] for name in names if ".resources." in name} == {"bim360"}
    assert {name.rpartition(".")[2] for name in names if ".models." in name} == {"exports", "progress", "warnings"}
