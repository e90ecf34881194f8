"""Every exit code, with one line that says what to do."""

import errno
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aps_async.cli import listing
from aps_async.cli.exit_codes import EXIT_CODES
from tests.cli.support import SHEET, Ran, Simulation, paths_in

Cli = Callable[..., Ran]
CANARY = "CanarySecretThatNobodyMaySee"


def only_line(ran: Ran) -> str:
    """The error, which is one line and all there is, apart from where to read on after wrong usage."""
    assert ran.out == ""
    assert ran.err.startswith("aps-async: error: ")
    first, *rest = ran.err.splitlines(keepends=True)
    assert not rest or (ran.code == 2 and re.fullmatch(r"see: aps-async [a-z -]*--help\n", "".join(rest)))
    return first


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("nope",), "nope"),
        (("export", "Riverside"), "--out"),
        (("export", "Riverside", "--out", "x", "--slots", "0"), "--slots"),
        (("export", "Tower", "--out", "x", "--files", "--match", "b"), "choose, name and join sheets"),
        (("export", "Tower", "--out", "x", "--files", "--tree"), "choose, name and join sheets"),
        (("export", "Tower", "--out", "x", "--tree", "--name", "{title}"), "cannot be given together"),
        (("export", "Tower", "--out", "x", "--name", "{titel}"), "Fields: {number}, {title}"),
        (("export", "Tower", "--out", "x", "--name", "../{title}"), "Fields: {number}, {title}"),
        (("export", "Tower", "--out", "x", "--since", "yesterday"), "2024-05-31"),
        (("export", "Tower", "--out", "x", "--files", "--sheet", "b"), "choose one"),
        (("export", "Tower", "--out", "x", "--unpack"), "need --files"),
        (("export", "Tower", "--out", "x", "--no-partial"), "need --files"),
        (("cost-documents", "Tower", "--out", "x", "--type", "Budget"), "--id"),
        (("download", "urn:x"), "--out"),
        (("simulate", "--sheets", "3", "--pdf", "x.pdf"), "has its own sheets"),
        (("simulate", "--speed", "0"), "--speed"),
        (("demo", "--sheets", "many"), "--sheets"),
    ],
)
def test_2_usage(cli: Cli, argv: tuple[str, ...], words: str) -> None:
    ran = cli(*argv)
    assert ran.code == 2
    assert words in only_line(ran)


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("obstore.store", ("export", "Riverside", "--out", "s3://bucket/plans")),
        ("obstore.store", ("sync", "Riverside", "--out", "az://container/plans")),
        ("pikepdf", ("export", "Riverside", "--out", "x", "--merge", "x.pdf")),
        ("asyncpg", ("status", "--database", "postgresql://localhost/x")),
    ],
)
def test_2_missing_extra(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, argv: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    monkeypatch.chdir(tmp_path)
    ran = cli(*argv, env={"APS_STATE_DIR": str(tmp_path / "state")})
    assert ran.code == 2, ran.err
    assert "is not installed: pip install 'aps-async[" in ran.err


def test_options_that_contradict_each_other_come_with_a_hint(cli: Cli) -> None:
    assert cli("export", "P", "--unpack", "--out", "x").err.splitlines()[-1] == "see: aps-async export --help"


@pytest.mark.parametrize(
    ("base_url", "speed", "words"),
    [
        (None, "20", "unset it"),
        ("https://aps.example", "20", "unset it"),
        ("http://127.0.0.1:1", "fast", "must be a number"),
        ("http://127.0.0.1:1", "0", "must be a number"),
        ("http://localhost:1", "-2", "must be a number"),
        ("http://[::1]:1", "nan", "must be a number"),
    ],
)
def test_2_speed(cli: Cli, base_url: str | None, speed: str, words: str) -> None:
    env = {"APS_CLIENT_ID": "a", "APS_CLIENT_SECRET": "b", "APS_SPEED": speed}
    ran = cli("projects", env=env | ({"APS_BASE_URL": base_url} if base_url else {}))
    assert ran.code == 2
    assert words in only_line(ran)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"APS_CLIENT_ID": "", "APS_CLIENT_SECRET": ""}, "set APS_CLIENT_ID and APS_CLIENT_SECRET"),
        ({"APS_CLIENT_SECRET": " "}, "set APS_CLIENT_SECRET"),
        ({"APS_CLIENT_SECRET": CANARY}, "check the client id"),
        ({"APS_ACCESS_TOKEN": CANARY}, "token is refused"),
        ({"APS_ACCESS_TOKEN": f"{CANARY} {CANARY}"}, "APS_ACCESS_TOKEN"),
    ],
)
def test_3_credentials(cli: Cli, service: Simulation, env: dict[str, str], words: str) -> None:
    ran = cli("projects", env=service.env | env)
    assert ran.code == 3
    assert words in only_line(ran)
    assert CANARY not in ran.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("sheets", "Nowhere"), "Riverside"),
        (("sheets", "Riverside", "--folder", "Plans/Nope"), "it contains Good, Broken"),
        (("sheets", "Bare"), "no Plans folder"),
        (("export", "Riverside", "--folder", "Empty", "--out", "x"), "nothing to export"),
        (("export", "Tower", "--user-id", "USER1", "--out", "x"), "nothing to export"),
        (("export", "Tower", "--user-id", "USER1", "--files", "--out", "x"), "it contains no PDF, DWG or RVT files"),
        (("export", "Tower", "--out", "x"), "give --user-id or APS_USER_ID"),
        (("export", "Riverside", "--files", "--out", "x"), "aps-async download"),
        (("download", "nonsense", "--out", "x"), "not a valid version, item or storage URN"),
        (("download", SHEET, "--out", "x"), "give --project as well"),
        (("download", SHEET, "--project", "Riverside", "--out", "x"), "a sheet has to be exported"),
    ],
)
def test_4_not_there(cli: Cli, service: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                     argv: tuple[str, ...], words: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    ran = cli(*argv, env=service.env)
    assert ran.code == 4
    assert words in only_line(ran)
    assert not paths_in(tmp_path), "nothing is made before it is clear that something will come"


def test_4_no_such_sheet(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("export", "Riverside", "--sheet", SHEET.replace("One", "Two"), "--out", tmp_path, env=service.env)
    assert ran.code == 4, "nothing came, for one and the same reason"


@pytest.mark.parametrize("address", ["nonsense", "ftp://127.0.0.1", "http://[", "http://"])
def test_4_base_address(cli: Cli, address: str) -> None:
    ran = cli("projects", env={"APS_CLIENT_ID": "a", "APS_CLIENT_SECRET": "b", "APS_BASE_URL": address})
    assert ran.code == 4
    assert "APS_BASE_URL" in only_line(ran)


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--pdf", None, "cannot be read"),
        ("--pdf", b"not a PDF", "cannot be read"),
        ("--world", None, "cannot be read"),
        ("--world", b"{", "is not JSON"),
        ("--world", b'{"hubs": 1}', "world.hubs"),
        ("--world", b'{"hubs": []}', "no project"),
        ("--faults", b'[{"kind": "nope"}]', "nope"),
    ],
)
def test_4_files_for_the_simulator(cli: Cli, tmp_path: Path, option: str, content: bytes | None, words: str) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_bytes(content)
    ran = cli("simulate", option, file)
    assert ran.code == 4
    assert words in only_line(ran)


def test_4_port_taken(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = cli("simulate", "--port", str(port))
    assert ran.code == 4
    assert f"port {port}" in only_line(ran)


def test_5_not_allowed(cli: Cli, service: Simulation) -> None:
    annex = next(each for hub in service.control("world")["hubs"] for each in hub["projects"] if each["forbidden"])
    ran = cli("sheets", annex["id"], env=service.env)
    assert ran.code == 5
    assert "403" in only_line(ran)


def test_6_no_server(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    env = {"APS_BASE_URL": f"http://127.0.0.1:{port}", "APS_SPEED": "10000"}
    ran = cli("projects", env=env | {"APS_CLIENT_ID": "a", "APS_CLIENT_SECRET": CANARY})
    assert ran.code == 6, "not 3: the credentials are not at fault"
    second, error = ran.err.splitlines()
    assert second.endswith("Trying once more")
    assert error.startswith("aps-async: error: ")
    assert "HTTPS_PROXY" in error
    assert CANARY not in ran.err
    assert cli("projects", env=env | {"APS_ACCESS_TOKEN": "abc"}).code == 6


def test_6_service_in_trouble(cli: Cli, service: Simulation) -> None:
    with service.faults({"endpoint": "hubs", "kind": "html", "status": 502}):
        ran = cli("projects", env=service.env)
    assert ran.code == 6
    assert "502" in only_line(ran)


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_7_no_folder(cli: Cli, service: Simulation, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    ran = cli("export", "Riverside", "--sheet", SHEET, "--out", tmp_path / where, env=service.env)
    assert ran.code == 7
    assert "choose another" in ran.err.splitlines()[-1]
    assert (tmp_path / "file").read_text() == "mine"


def test_7_full_disk(cli: Cli, service: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("aps_async.downloads.sinks.os.write", full)
    ran = cli("export", "Riverside", "--sheet", SHEET, "--out", tmp_path, env=service.env)
    assert ran.code == 7
    assert "the disk is full; make room" in ran.err
    assert not paths_in(tmp_path)


def test_1_a_job_that_never_ends(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    [sheet] = [
        item["version"]
        for hub in service.control("world")["hubs"]
        for project in hub["projects"]
        for top in project["folders"]
        for folder in top["folders"]
        for item in folder["items"]
        if item["name"] == "E-9"
    ]
    argv = ("export", "Riverside", "--sheet", sheet, "--timeout", "0.3", "--out", tmp_path)
    ran = cli(*argv, env=service.env)
    assert ran.code == 1
    assert "was not done in 0.3 s" in ran.err
    assert not paths_in(tmp_path)


def test_70_a_fault_of_ours(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        token = CANARY  # noqa: F841 - a local that a traceback must not show
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(listing, "open_session", broken)
    ran = cli("projects")
    assert ran.code == 70
    assert "unexpected ZeroDivisionError: two lines" in only_line(ran)

    ran = cli("--debug", "projects")
    assert ran.code == 70
    assert "Traceback (most recent call last):" in ran.err
    assert ran.err.splitlines()[-1].startswith("aps-async: error: ")
    assert ran.err.count(CANARY) == 0


def test_the_exit_codes_are_in_the_help(cli: Cli) -> None:
    ran = cli("--help")
    assert ran.code == 0
    flat = " ".join(ran.out.split())
    for code, words in EXIT_CODES.items():
        assert f"{code}: {words}" in flat


def test_without_a_command_there_is_help(cli: Cli) -> None:
    ran = cli()
    assert ran.code == 2
    assert "Usage: aps-async" in ran.out
