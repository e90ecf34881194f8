"""What a run shows while it goes on and at its end."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from aps_async.cli import output
from aps_async.cli.display import Bar
from aps_async.cli.ending import failures_by_reason
from aps_async.cli.exit_codes import short_reason
from aps_async.cli.progress_lines import Lines
from aps_async.cli.trouble import TroubleLines
from aps_async.errors import (
    APSError,
    DownloadError,
    InterceptedError,
    NotAllowedError,
    NotFoundError,
    ServerError,
    TargetError,
    TransportError,
)
from aps_async.exports.progress import BulkProgress
from aps_async.transport.first_contact import FirstContact, Trouble
from tests.cli.support import Ran, Simulation

_PATH = "/bim360/docs/v1/projects/p/versions/urn%3Aadsk.wipprod%3Afs.file%3Avf.8yQ2%3Fversion%3D1/exports"


def at(**changes: Any) -> BulkProgress:
    """A run in a pause of the quota."""
    now = datetime.now(UTC)
    figures: dict[str, Any] = {
        "starting": 32, "running": 10, "done": 190, "failed": 1, "received": 1_500_000, "total": 5000,
        "waiting": 32, "downloading": 3, "queued": 2,
        "next_start": now + timedelta(seconds=32.2), "expected_end": now + timedelta(seconds=49 * 60 + 3.2),
    }  # fmt: skip
    return BulkProgress(**figures | changes)


def contact(**trouble: Any) -> FirstContact:
    """With a service that answers; or with trouble."""
    made = FirstContact(patient=True, on_unreachable=None)
    made.trouble = Trouble(**trouble) if trouble else None
    return made


def drawn(bar: Bar, width: int) -> list[str]:
    printed = io.StringIO()
    Console(file=printed, width=width).print(bar)
    return printed.getvalue().rstrip().splitlines()


def test_everything_is_on_four_lines() -> None:
    now = iter((0.0, 729.0))
    bar = Bar(5000, contact(), clock=lambda: next(now))
    bar.finished("A-101 - Ground", 81_700, 3.14, ok=True)
    bar.moved(at())
    figures, under_way, quota, last = drawn(bar, 160)
    assert figures.endswith("191/5000  1 failed  about 49:03 left  12:09 elapsed  1.5 MB  2.1 kB/s")
    assert under_way == "3 downloading  2 waiting for a slot  5 at the service"
    assert quota.startswith("waiting for the quota until ")
    assert quota.endswith(" (0:32)  4,799 to start")
    assert last == "A-101 - Ground: 81.7 kB, 3.1 s"


def test_a_download_that_starts_over_has_no_negative_speed() -> None:
    now = iter((0.0, 2.0, 4.0, 6.0))
    bar = Bar(5000, contact(), clock=lambda: next(now))
    shown: list[str] = []
    for received in (4_000_000, 1_000_000, 3_000_000):
        bar.moved(at(received=received))
        shown.append(drawn(bar, 160)[0])
    assert [each.rpartition("elapsed  ")[2] for each in shown] == ["4.0 MB  2.0 MB/s", "1.0 MB", "3.0 MB  1.0 MB/s"]


def test_another_project_begins_with_no_figures() -> None:
    now = iter((0.0, 60.0, 61.0))
    bar = Bar(5000, contact(), clock=lambda: next(now))
    bar.finished("A-101 - Ground", 81_700, 3.14, ok=True)
    bar.moved(at())
    bar.begin()
    [figures] = drawn(bar, 160)
    assert figures.endswith("listing  0:01 elapsed")


def test_a_service_that_does_not_answer_is_shown() -> None:
    error = TransportError("POST /x: refused", sent=False, obstacle="connection")
    now = datetime.now(UTC)
    bar = Bar(5000, contact(error=error, since=now - timedelta(seconds=30), next_attempt=now + timedelta(seconds=8.2)))
    bar.moved(at(next_start=None))
    [line] = [each for each in drawn(bar, 120) if "waiting for the service" in each]
    assert line.startswith("waiting for the service: no connection  next attempt in 0:08  since ")


def test_lines_mention_a_service_that_does_not_answer_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    began = now = datetime(2026, 1, 1, tzinfo=UTC)
    lines = TroubleLines(known := contact(), now=lambda: now)
    error = ServerError("no", status=503, **_ERROR)
    for seconds, wait in ((0, 0.5), (1, 2), (3, 4), (7, 8), (15, 16), (31, 1)):
        now = began + timedelta(seconds=seconds)
        known.trouble = Trouble(error=error, since=began, next_attempt=now + timedelta(seconds=wait))
        lines()
    known.trouble = None
    lines()
    lines()
    since = f"since {began.astimezone():%H:%M:%S}"
    assert capsys.readouterr().err.splitlines() == [
        f"waiting for the service: trouble at the service (503), next attempt in 0:02, {since}",
        f"waiting for the service: trouble at the service (503), next attempt in 0:01, {since}",
        "the service answers again",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    bar = Bar(5000, contact())
    bar.finished("\N{CJK UNIFIED IDEOGRAPH-56F3}" * 200 + "\x1b[31m", 81_700, 3.14, ok=True)
    bar.moved(at())
    lines = drawn(bar, width)
    assert len(lines) == 4
    assert all(cell_len(line) <= width for line in lines)
    assert "191/5000" in lines[0], "the most important figure is there at any width"
    assert "\x1b" not in "".join(lines)


def test_nothing_waits_and_nothing_is_known() -> None:
    bar = Bar(None, contact())
    bar.moved(
        at(next_start=None, expected_end=None, waiting=0, total=None, running=0, starting=0, downloading=0, queued=0)
    )
    [only] = drawn(bar, 100)
    assert "listing" in only
    assert "left" not in only


def test_lines_mention_a_pause_of_the_quota_once(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    lines = Lines(5000, "sheet", clock=lambda: now[0])
    for _ in range(5):
        lines.moved(at())
    lines.moved(at(next_start=None))
    now[0] = 60.0
    lines.moved(at())
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert all("waiting for the quota until" in line and "about 49:0" in line for line in shown)


_ERROR: dict[str, Any] = {"method": "POST", "path": _PATH}


def test_exit_codes_are_grouped_by_their_reasons() -> None:
    failures: list[tuple[str, Exception]] = [
        ("A-1", APSError("A-1: no PDF of urn:adsk:1 in 4.2 s")),
        *((f"B-{number}", NotAllowedError("no", status=403, **_ERROR)) for number in range(10)),
        ("A-2", APSError("A-2: no PDF of urn:adsk:2 in 8 s")),
        ("C-1", NotFoundError("no", status=404, **_ERROR)),
        ("D-1", ServerError("no", status=502, **_ERROR)),
    ]
    assert failures_by_reason(failures) == [
        "10 not allowed (403): B-0, B-1, B-2, B-3, B-4, B-5, B-6, B-7 and 2 more",
        "2 no PDF of urn:adsk:1 in 4.2 s: A-1, A-2",
        "1 not found (404): C-1",
        "1 trouble at the service (502): D-1",
    ]
    assert failures_by_reason([]) == []


def test_addresses_neither_split_a_reason_nor_hide_it() -> None:
    address = "https://storage.example/" + "abc" * 60
    page = InterceptedError("POST /x: 403 an HTML page", status=403, **_ERROR)
    failures: list[tuple[str, Exception]] = [
        *((f"A-{number}", DownloadError(f"GET {address}{number}.pdf?…: 410 an empty body")) for number in range(2)),
        *((f"B-{number}", DownloadError(f"gave up at 0 bytes: GET {address}{number}?…: 500 x")) for number in range(3)),
        ("C-1", page),
    ]
    assert failures_by_reason(failures) == [
        "3 gave up at 0 bytes: 500 x: B-0, B-1, B-2",
        "2 410 an empty body: A-0, A-1",
        "1 stopped by a web filter or proxy (403): C-1",
    ]


def test_an_encoded_id_is_shortened() -> None:
    problem = NotAllowedError(f"POST {_PATH}: 403 no permission", status=403, **_ERROR)
    assert (
        short_reason(problem)
        == "POST /bim360/docs/v1/projects/p/versions/urn\N{HORIZONTAL ELLIPSIS}/exports: 403 no permission"
    )


Cli = Callable[..., Ran]
EXPORT = ("export", "Riverside", "--sheet", "A-101", "--sheet", "nonsense")


def test_quiet_shows_what_went_wrong_only(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli(*EXPORT, "--out", tmp_path / "plans", "--quiet", env=service.env)
    assert ran.code == 1
    assert ran.err.startswith("failed: ")
    assert "[1/" not in ran.err
    assert "report: " not in ran.err
    assert ran.err.splitlines()[-1] == f"to try again: aps-async resume {tmp_path / 'plans'}"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_file_has_everything_with_times(cli: Cli, service: Simulation, tmp_path: Path, form: str) -> None:
    log = tmp_path / "log"
    argv = (*EXPORT, "--out", tmp_path / "plans", "-q", "--log-file", log, "--log-format", form)
    ran = cli(*argv, env=service.env)
    lines = log.read_text().splitlines()
    if form == "json":
        parsed = [json.loads(line) for line in lines]
        texts = [(each["time"], each["message"]) for each in parsed]
    else:
        texts = [(line[:25], line[26:]) for line in lines]
    assert all(datetime.fromisoformat(time).tzinfo for time, _ in texts)
    messages = [message for _, message in texts]
    assert any(message.startswith("[1/1] A-101") for message in messages)
    assert any(message.startswith("failed: nonsense") for message in messages)
    assert ran.code == 1
    assert cli("whoami", "--log-file", tmp_path, env=service.env).code == 7


def test_the_output_is_as_before_after_a_log_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with (
        pytest.raises(TargetError, match="cannot be opened"),
        output.printing(quiet=True, log_file=tmp_path, as_json=False),
    ):
        raise AssertionError
    assert not output.is_quiet()


def test_sentences_are_wrapped_between_words_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "  POST /a-very-long/path-that/does-not/fit-into/one-line: no\x1b[31m connection"
    output.print_prose(text)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    output.print_prose(text)
    assert capsys.readouterr().err.splitlines() == [
        "  POST /a-very-long/path-that/does-not/fit-into/one-line: no\\x1b[31m connection",
        "  POST",
        "  /a-very-long/path-that/does-not/fit-into/one-line:",
        "  no\\x1b[31m connection",
    ]
