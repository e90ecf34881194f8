"""A user's mistakes: each ends with its own exit code, in one line that says what to do, before any work."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import SHEET, Ran, Simulation, paths_in

Cli = Callable[..., Ran]
ENVIRONMENT = {"APS_CLIENT_ID": "a", "APS_CLIENT_SECRET": "b", "APS_BASE_URL": "http://127.0.0.1:9"}
DATABASE = ("--database", "postgresql://127.0.0.1:1/x")
EXPORT = ("export", "Riverside", "--out", "x")
SYNC = ("sync", "Riverside", "--out", "x")
COST = ("cost-documents", "Riverside", "--out", "x", "--type")
URN = "urn:adsk.wipprod:fs.file:vf.nope?version=1"
LOGIN = ("login", "--no-browser", "--timeout", "0.1", "--client-id", "x")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in, with things that are not what they expect."""
    home = tmp_path / "home"
    (home / "empty").mkdir(parents=True)
    (home / "file").write_text("{")
    monkeypatch.chdir(home)
    return home


OFFLINE: list[tuple[int, tuple[str, ...], str]] = [
    (2, ("exprot",), "Did you mean 'export'?"),
    (2, ("--nope",), "No such option: --nope"),
    (2, ("--log-fil", "x", "projects"), "Did you mean --log-file"),
    (2, ("--log-file",), "'--log-file' needs a value after it"),
    (2, ("--log-format", "xml", "projects"), "'xml' is not one of 'text', 'json'"),
    (2, ("--profile", "", "projects"), "--profile is empty"),
    (2, ("projects", "--profile"), "'--profile' needs a value after it"),
    (2, ("projects", "--profile", "../x"), "not a valid profile name"),
    (4, (*LOGIN, "--scope", "\udcff"), "contains half a surrogate pair"),
    (3, ("projects", "--profile", "nope"), "aps-async --profile nope login"),
    (7, ("--log-file", "file/x", "projects"), "cannot be opened"),
    (2, ("export", "Riverside"), "'--out'"),
    (2, ("export", "Riverside", "--out"), "'--out' needs a value after it"),
    (2, ("export", "Riverside", "Clinic", "--out", "x"), "needs quotation marks"),
    (2, ("export", "Riverside", "--out", ""), "the path must not be empty"),
    (2, ("export", "Riverside", "--out", "s3://"), "'s3://' names no bucket: write s3://bucket/prefix"),
    (2, ("export", "Riverside", "--out", "AZ:///"), "names no bucket"),
    (2, ("export", "Riverside", "--out", "s3:/bucket"), "not a path on this machine"),
    (2, ("export", "Riverside", "--out", "ftp://host/x"), "not a path on this machine"),
    (7, ("export", "Riverside", "--out", "file"), "cannot write file: it is a file, not a folder"),
    (7, ("export", "Riverside", "--out", "file/below"), "its folder is a file, not a folder"),
    (7, ("export", "Riverside", "--out", "n" * 300), "too long"),
    (7, ("sync", "Riverside", "Tower", "--out", "n" * 300), "too long"),
    (7, ("resume", "n" * 300), "too long"),
    (2, (*EXPORT, "--outt", "x"), "Did you mean --out"),
    (2, (*EXPORT, "--json=yes"), "'--json' does not take a value"),
    (2, (*EXPORT, "--since", "yesterday"), "'yesterday' is not a date such as"),
    (2, (*EXPORT, "--name", "{numbr}"), "there is no field {numbr}"),
    (2, (*EXPORT, "--name", "../{number}"), "contains '..' as a name"),
    (2, (*EXPORT, "--tree", "--name", "{number}"), "--tree and --name cannot be given together"),
    (2, (*EXPORT, "--merge", "x.txt"), "ends in .pdf"),
    (7, (*EXPORT, "--merge", "nowhere/x.pdf"), "its folder does not exist"),
    (7, (*EXPORT, "--merge", "file/x.pdf"), "its folder is a file, not a folder"),
    (2, (*EXPORT, "--batch", "0"), "'--batch': it must be at least 1"),
    (2, (*EXPORT, "--batch", "ten"), "'--batch': it must be a whole number"),
    (2, (*EXPORT, "--batch", "1001"), "'--batch': it must be at most 1000"),
    (2, (*EXPORT, "--slots", "-1"), "'--slots': it must be at least 1"),
    (2, (*EXPORT, "--timeout", "5m"), "'--timeout': it must be a number"),
    (2, (*EXPORT, "--state", "y"), "--state is for s3://"),
    (2, (*EXPORT, "--unpack"), "need --files"),
    (2, (*EXPORT, "--files", "--sheet", "A-101"), "cannot be given together"),
    (2, ("sync", "--out", "x"), "give a PROJECT, or --all"),
    (2, (*SYNC, "--max-prune", "3"), "--max-prune needs --prune"),
    (2, (*SYNC, "--refresh", "7x"), "'7x' is not a duration such as"),
    (2, (*SYNC, "--watch", "15m", "--dry-run"), "cannot be given together"),
    (7, (*SYNC, "--merge", "nowhere/x.pdf"), "its folder does not exist"),
    (7, ("sync", "Riverside", "Tower", "--out", "file"), "cannot write file: it is a file, not a folder"),
    (2, ("register", "empty", "--json", "--csv"), "choose one"),
    (8, ("register", "nope"), "'export' and 'sync' write it"),
    (2, ("register", "gs://"), "names no bucket"),
    (8, ("resume", "empty"), "empty has no ledger"),
    (2, ("resume", "file"), "file is a file: give its folder"),
    (8, ("status", "nope"), "there is no folder nope"),
    (2, ("status", "file"), "file is a file: give its folder"),
    (2, ("status", "empty", "--watch"), "cannot be combined with a DIR"),
    (2, ("run", "nightly"), "there is no aps-async.toml"),
    (2, ("run", "nightly", "--file", "file"), "file cannot be read"),
    (2, (*COST, "Budgt", "--id", "x"), "did you mean 'Budget'?"),
    (
        7,
        ("cost-documents", "Riverside", "--out", "file", "--type", "Budget", "--id", "x"),
        "cannot write file: it is a file, not a folder",
    ),
    (2, ("cost", "Riverside", "--type", "Budgt"), "did you mean 'Budget'?"),
    (7, ("demo", "--out", "file"), "it is a file, not a folder"),
    (2, ("demo", "--sheets", "many"), "'--sheets': it must be a whole number"),
    (4, ("demo", "--pdf", "file"), "file: cannot be read"),
    (4, ("demo", "--pdf", "nope.pdf"), "nope.pdf: cannot be read"),
    (4, ("simulate", "--world", "file"), "file: is not JSON"),
    (4, ("simulate", "--set", "post_status=999"), "post_status must be 200, 201 or 202"),
    (2, ("simulate", "--port", "99999"), "'--port': it must be at most 65535"),
    (2, (*LOGIN, "--callback", "nonsense"), "--callback 'nonsense' is not an address such as"),
    (2, ("doctor", "--out", "ftp://b/x"), "not a path on this machine"),
    (2, ("doctor", "--out", "s3://"), "names no bucket"),
    (2, ("guide", "manger"), "did you mean 'manager'?"),
    (2, ("guide", "xyz"), "there are: manager, developer"),
    (2, ("worker", "--out", "x"), "use --database URL"),
    (2, ("worker", "--out", "s3://", *DATABASE), "'--out': 's3://' names no bucket"),
    (2, ("worker", "--out", "x", *DATABASE, "--metrics", "127.0.0.1:99999"), "write HOST:PORT"),
    (4, ("worker", "--out", "x", *DATABASE, "--clients", "nope.toml"), "nope.toml cannot be read"),
    (2, ("enqueue", "Riverside", *DATABASE, "--priority", "5000"), "it must be at most 1000"),
    (2, ("cancel", "1", "--database", "mysql://x/y"), "must begin with postgresql://"),
    (2, ("cancel", "1", "--database", "postgresql://u:a/b@h/d"), "the special characters of user and password percent"),
    (2, ("priority", "1", "high", *DATABASE), "'NUMBER': it must be a whole number"),
    (2, ("dead-letters", "--reason", "nope"), "use --database URL"),
    (2, ("download", URN, "--out", "s3://b/y"), "not a path on this machine"),
]


@pytest.mark.parametrize(("code", "argv", "words"), OFFLINE, ids=[" ".join(argv) for _, argv, _ in OFFLINE])
def test_a_mistake_is_reported_before_any_call(
    cli: Cli, home: Path, code: int, argv: tuple[str, ...], words: str
) -> None:
    ran = cli(*argv, env=ENVIRONMENT | {"XDG_CONFIG_HOME": str(home)})
    _assert_reported(ran, code, words)
    assert not (home / "x").exists()


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("link", "link: it is a link to something that does not exist"),
        ("link/below", "its folder is a link to something that does not exist"),
        ("fifo", "fifo: it is not a folder"),
        ("fifo/below/x", "its folder is not a folder"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")
@pytest.mark.parametrize("command", [("export", "R"), ("sync", "R"), ("sync", "R", "T"), ("demo",)], ids=" ".join)
def test_what_is_in_the_place_of_a_folder(cli: Cli, home: Path, command: tuple[str, ...], out: str, words: str) -> None:
    (home / "link").symlink_to("nowhere")
    os.mkfifo(home / "fifo")
    _assert_reported(cli(*command, "--out", out, env=ENVIRONMENT), 7, words)


@pytest.mark.parametrize(
    ("code", "argv", "words"),
    [
        (4, ("export", "Riversid3", "--out", "x"), "did you mean Riverside"),
        (4, ("sync", "Riverside", "Nope", "--out", "x"), "no project 'Nope'"),
        (4, (*EXPORT, "--folder", "Godo"), "did you mean 'Good'?"),
        (4, (*EXPORT, "--match", "Z-*"), "no sheet has a number that matches 'Z-*'"),
        (4, (*EXPORT, "--match", ""), "--match is empty: leave it out"),
        (4, (*EXPORT, "--set", ""), "--set is empty: leave it out"),
        (4, (*EXPORT, "--tag", "x"), "only ACC (Forma) projects"),
        (2, (*EXPORT, "--issue-markups"), "in BIM 360 only published markups and hyperlinks are supported"),
        (4, ("sheets", "Riverside", "--sheet", "A-1O1"), "did you mean 'A-101"),
        (2, ("export", "Tower", "--out", "x", "--user-id", ""), "--user-id is empty"),
        (4, ("export", "Tower", "--out", "x"), "with the app's own credentials this needs"),
        (3, ("cost", "Riverside", "--type", "Budget"), "the app's own credentials are refused"),
        (4, ("download", SHEET, "--out", "x"), "give --project as well"),
        (4, ("download", URN, "--out", "x", "--project", "Riverside"), "/versions/urn…: 404"),
        (7, ("download", SHEET, "--out", "empty", "--project", "Riverside"), "it is a folder"),
        (4, ("files", "Riverside", "--folder", "Godo"), "did you mean 'Good'?"),
    ],
)
def test_a_mistake_about_what_there_is(
    cli: Cli, service: Simulation, home: Path, code: int, argv: tuple[str, ...], words: str
) -> None:
    _assert_reported(cli(*argv, env=service.env), code, words)
    assert not (home / "x").exists()
    assert [path.name for path in paths_in(home)] == ["empty", "file"]


def _assert_reported(ran: Ran, code: int, words: str) -> None:
    assert ran.code == code, ran.err
    assert ran.out == ""
    [line, *hint] = ran.err.splitlines()
    assert line.startswith("aps-async: error: ")
    assert words in line
    assert "unexpected " not in line.replace("unexpected argument", "")
    assert all(each.startswith("see: aps-async ") and each.endswith(" --help") for each in hint)
    assert len(hint) <= (code == 2)
