"""Helpers of the commands: sizes, paths, tables, proxies, settings from the environment."""

import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from aps_async.cli import environment, main, output
from aps_async.cli.exit_codes import Interrupted, UsageProblem, exit_code, reason
from aps_async.cli.options import a_path
from aps_async.cli.runtime import run_to_the_end
from aps_async.errors import AuthError, DatabaseError, NotFoundError, TransportError
from aps_async.text import size


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("A-101 — Grundriß", "A-101 — Grundriß"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\nlines\r\ttab\x07", r"two\nlines\r\ttab\x07"),
        ("\x9b31m \x7f", r"\x9b31m \x7f"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\u2028\ud800", r"\u2028\ud800"),
        ("[bold]👩‍🔧[/]", "[bold]👩‍🔧[/]"),
    ],
)
def test_text_of_others_is_written_out(raw: str, shown: str) -> None:
    assert output.clean(raw) == shown


@pytest.mark.skipif(os.name == "nt", reason="finds programs by their suffix")
def test_commands_to_copy_name_the_program_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("here", "other one"):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "aps-async"
        program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    seen = []
    for path, typed in (("here", "here/aps-async"), ("here", "other one/aps-async"), ("", "here/aps-async")):
        monkeypatch.setenv("PATH", str(tmp_path / path) if path else "")
        monkeypatch.setattr(sys, "argv", [typed, "demo"])
        seen.append(output.program())
    assert seen == ["aps-async", "'other one/aps-async'", "here/aps-async"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (81_700, "81.7 kB"),
        (2_500_000, "2.5 MB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert size(count) == shown


def test_columns_line_up_under_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("A", "B"), [("図面", "1"), ("plan", "2")])
    assert capsys.readouterr().out == "A     B\n図面  1\nplan  2\n"


@pytest.mark.parametrize(
    "text",
    ["plans", "-x", "--out", "./~", "./~/plans", "./~root", "a b", "it's", "$HOME", "$(ls)", "a;b", "/-x/~", "*"],
)
def test_a_folder_of_a_suggested_command_is_the_one_that_was_given(text: str) -> None:
    given = a_path(text)
    [typed] = shlex.split(output.typed_path(given))
    assert not typed.startswith("-")
    assert a_path(typed) == given


@pytest.mark.parametrize(
    ("text", "typed"),
    [("plans", "plans"), ("-x", "./-x"), ("a b", "'a b'"), ("it's", "'it''s'"), ("a(1)", "'a(1)'"), ("~x", "./~x")],
)
def test_a_folder_of_a_suggested_command_in_powershell(monkeypatch: pytest.MonkeyPatch, text: str, typed: str) -> None:
    path = Path(text)
    monkeypatch.setattr("os.name", "nt")
    assert output.typed_path(path) == typed


WIDE = """\
SHEET  TITLE                               ID
A-101  A long title of an ordinary plan    urn:adsk.wipprod:0123456789
図-3   図図図図図図図図図図図図図図図図図  urn:adsk.wipprod:9876543210
"""
NARROWER = """\
SHEET  TITLE                     ID
A-101  A long title of an ordi…  urn:adsk.wipprod:0123456789
図-3   図図図図図図図図図図図 …  urn:adsk.wipprod:9876543210
"""
NARROW = """\
SHEET  TITLE                 ID
A-101  A long title of an …  urn:adsk.wipprod:0123456789
図-3   図図図図図図図図図 …  urn:adsk.wipprod:9876543210
"""


@pytest.mark.parametrize(
    ("width", "is_terminal", "shown"),
    [
        (70, True, WIDE),
        (60, True, NARROWER),
        (56, True, NARROW),
        (20, True, NARROW),
        (20, False, WIDE),
    ],
)
def test_a_table_is_made_to_fit_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, is_terminal: bool, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    rows = [
        ("A-101", "A long title of an ordinary plan", "urn:adsk.wipprod:0123456789"),
        ("図-3", "図" * 17, "urn:adsk.wipprod:9876543210"),
    ]
    output.print_table(("SHEET", "TITLE", "ID"), rows, elastic=("SHEET", "TITLE"))
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("width", "is_terminal", "shown"),
    [
        (40, True, "-  head    one two three four five six\n           seven eight\n"),
        (80, True, "-  head    one two three four five six seven eight\n"),
        (20, True, "-  head    one two three four five six seven eight\n"),
        (40, False, "-  head    one two three four five six seven eight\n"),
    ],
)
def test_a_text_goes_on_beside_its_head(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, is_terminal: bool, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    output.print_beside("-  head    ", "one two three four five six seven eight")
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("base_url", "variables", "proxy"),
    [
        ("https://api.example", {}, None),
        ("https://api.example", {"HTTPS_PROXY": "http://proxy.example:3128"}, "http://proxy.example:3128"),
        ("https://api.example", {"https_proxy": "proxy.example:3128"}, "http://proxy.example:3128"),
        ("https://api.example", {"HTTPS_PROXY": "http://p", "NO_PROXY": "api.example"}, None),
        ("http://127.0.0.1:8080", {"HTTPS_PROXY": "http://p"}, None),
        ("http://localhost:8080", {"HTTPS_PROXY": "http://p"}, None),
        ("http://[::1]:8080", {"HTTPS_PROXY": "http://p"}, None),
    ],
)
def test_the_proxy(
    monkeypatch: pytest.MonkeyPatch, base_url: str, variables: dict[str, str], proxy: str | None
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment.proxy_for(base_url) == proxy


def test_a_session_as_the_environment_says() -> None:
    environ = {
        "APS_CLIENT_ID": "id", "APS_CLIENT_SECRET": "secret", "APS_BASE_URL": "http://127.0.0.1:9/", "APS_SPEED": "20"
    }  # fmt: skip
    session = environment.open_session("USER1", environ)
    assert session.base_url == "http://127.0.0.1:9"
    assert session.settings.poll_interval == pytest.approx(0.1)
    with pytest.raises(UsageProblem):
        environment.open_session(None, environ | {"APS_BASE_URL": ""})


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            "not done in 3 s. It may still finish: wait again with its ref",
            "finish: 'aps-async resume' waits for it again",
        ),
        ("give user_id, the user's Autodesk id (x-user-id), or", "give --user-id or APS_USER_ID, "),
        ("more are withdrawn (max_prune=10)", "(--max-prune 10)"),
    ],
)
def test_parameters_of_the_library_are_options_here(words: str, shown: str) -> None:
    assert shown in reason(AuthError(words))


def test_the_reason_is_one_line_with_its_notes() -> None:
    problem = NotFoundError("GET /x: 404.\nnot there", status=404, method="GET", path="/x")
    problem.add_note("Look elsewhere.")
    assert reason(problem) == "GET /x: 404. not there. Look elsewhere"


def test_a_token_service_out_of_reach_is_a_network_problem() -> None:
    problem = AuthError("no token")
    assert exit_code(problem) == 3
    problem.__cause__ = TransportError("refused", sent=False)
    assert exit_code(problem) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="signals come in another way there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_cleaning_up_and_a_second_one_does_not_hurry_it(number: signal.Signals) -> None:
    cleaned = []

    async def work() -> int:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)
            for _ in range(10):
                await asyncio.sleep(0)
            cleaned.append(True)
        return 0

    with pytest.raises(Interrupted) as stopped:
        run_to_the_end(work)
    assert stopped.value.exit_code == 128 + number
    assert cleaned == [True]


def test_what_fails_on_its_way_out_after_a_signal_was_stopped_all_the_same() -> None:
    problem = DatabaseError("the database went away")

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            raise problem

    with pytest.raises(Interrupted) as stopped:
        run_to_the_end(work)
    assert stopped.value.exit_code == 130
    assert stopped.value.__cause__ is problem


def test_ctrl_c_while_modules_are_imported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("aps_async.cli.app.run", stopped)
    assert main(["version"]) == 130
    assert capsys.readouterr().err == "aps-async: stopped\n"


def test_what_fails_without_a_signal_failed() -> None:
    async def work() -> int:
        raise DatabaseError("the database went away")

    with pytest.raises(DatabaseError):
        run_to_the_end(work)


def test_cancellation_from_within_is_not_taken_for_a_signal() -> None:
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_to_the_end(work)


def test_the_exit_code_comes_through() -> None:
    async def work() -> int:
        return 5

    assert run_to_the_end(work) == 5


ADDRESSES = [
    "s3://bucket/x",
    "S3://bucket",
    "gs://b",
    "az://c",
    "file:///tmp/x",
    "http://h/x",
    "memory://",
    "a+b.c-1://x",
    "s3:/b",
]


COMMANDS = [
    "cost-documents P --type Budget --id 1 --out OUT",
    "download urn --out OUT",
    "demo --out OUT",
]
THOSE_WITH_STORAGE = [
    "export P --out OUT",
    "sync P --out OUT",
    "status OUT",
    "resume OUT",
    "register OUT",
    "worker --database postgresql://localhost/x --out OUT",
]
OTHERS = ("", " ", "\t", "file:///tmp/x", "http://h/x", "memory://", "a+b.c-1://x", "s3:/b", "s3:b/x", "GS:b")


@pytest.mark.parametrize(
    ("command", "out"),
    [
        *((command, out) for command in COMMANDS for out in ("", " ", "\t", *ADDRESSES)),
        *((command, out) for command in THOSE_WITH_STORAGE for out in OTHERS),
    ],
)
def test_a_path_that_is_none_is_refused_before_anything_is_made(
    command: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([out if word == "OUT" else word for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert ("not a path on this machine" if out.strip() else "must not be empty") in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [".", "plans", "/srv/plans", "C:\\plans", "C:/plans", "a:b", "./s3:/x", "./s3:x", "s3", "Plans: 3", "./~/plans"],
)
def test_paths_are_taken(path: str) -> None:
    assert a_path(path) == Path(path)
