"""Commands that messages suggest act as the same profile as the command that printed them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.cli.examples import GROUPS
from aps_async.cli.profile_choice import WITH_CREDENTIALS, as_chosen, profile_option
from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]
JOBS = """
[jobs.nightly]
profile = "person"
project = "Riverside"
out = "out"

[jobs.broken]
profile = "robot"
project = "Riverside"
folder = "Plans/Broken"
out = "out"
"""
CASES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "an error": (("--profile", "person", "whoami"), "", "log in: aps-async --profile person login\n"),
    "by a variable, which later commands have too": (("whoami",), "person", "log in: aps-async login\n"),
    "a job": (("run", "nightly"), "", "log in: aps-async --profile person login\n"),
    "doctor": (("--profile", "person", "doctor"), "", "log in: aps-async --profile person login\n"),
    "going on": (("run", "broken"), "", "to try again: aps-async --profile robot resume "),
    "status": (("--profile", "robot", "status", "out"), "", "to continue: aps-async --profile robot resume out\n"),
}


LINES: dict[str, tuple[str, ...]] = {
    "login": ("--client-id", "an-app", "--callback", "nowhere"),
    "logout": (),
    "whoami": (),
    "doctor": (),
    "projects": (),
    "sheets": ("Riverside",),
    "collections": ("Riverside",),
    "sets": ("Riverside",),
    "files": ("Riverside",),
    "cost": ("Riverside", "--type", "Budget"),
    "cost-documents": ("Riverside", "--out", "out", "--type", "Budget", "--id", "1"),
    "download": ("urn:adsk.objects:os.object:wip.dm.prod/1.rvt", "--out", "1.rvt"),
    "export": ("Riverside", "--out", "out"),
    "sync": ("Riverside", "--out", "out"),
    "resume": ("ran",),
    "run": ("broken",),
    "demo": ("--sheets", "1", "--speed", "1000"),
    "simulate": ("--help-behaviour",),
    "guide": (),
    "status": ("ran",),
    "register": ("ran",),
}
"""A line of each command that begins without a database."""


@pytest.fixture
def home(tmp_path: Path, service: Simulation, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with jobs, and one with two profiles: of a person who has not logged in, and of an app."""
    monkeypatch.chdir(tmp_path)
    profiles = tmp_path / "config" / "aps-async" / "profiles"
    profiles.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(service.env["APS_CLIENT_SECRET"])
    base = f"base_url = '{service.url}'\n"
    (profiles / "person.toml").write_text(f"{base}kind = 'user'\nclient_id = 'desktop'\n")
    app = f"kind = 'app'\nclient_id = '{service.env['APS_CLIENT_ID']}'\nclient_secret_file = '{secret}'\n"
    (profiles / "robot.toml").write_text(base + app)
    (tmp_path / "aps-async.toml").write_text(JOBS)
    return tmp_path


@pytest.mark.parametrize(("argv", "variable", "words"), CASES.values(), ids=CASES)
def test_suggestions(cli: Cli, home: Path, argv: tuple[str, ...], variable: str, words: str) -> None:
    env = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data"), "APS_SPEED": "60"}
    env |= {"APS_PROFILE": variable} if variable else {}
    if "status" in argv:
        assert cli("run", "broken", env=env).code == 1
    ran = cli(*argv, env=env)
    assert ran.code in (1, 3)
    assert words in ran.out + ran.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sign in with 'aps-async login', or", "sign in with 'aps-async --profile a login', or"),
        ("aps-async --profile b login", "aps-async --profile b login"),
        ("see: aps-async sync --help; aps-async guide", "see: aps-async --profile a sync --help; aps-async guide"),
        (
            "'aps-async worker' or 'aps-async enqueue'",
            "'aps-async --profile a worker' or 'aps-async --profile a enqueue'",
        ),
        ("aps-async cost-documents; aps-async syncs", "aps-async --profile a cost-documents; aps-async syncs"),
        ("python -m aps-async loginx, my-aps-async login", "python -m aps-async loginx, my-aps-async login"),
    ],
)
def test_which_commands_are_meant(text: str, expected: str) -> None:
    assert as_chosen(text) == text
    token = profile_option.set("a")
    try:
        assert as_chosen(text) == expected
    finally:
        profile_option.reset(token)


def test_every_command_is_known() -> None:
    without = ("demo", "simulate", "guide", "status", "register", "cancel", "priority", "dead-letters")
    assert sorted(WITH_CREDENTIALS + without) == sorted(name for each in GROUPS.values() for name in each)


@pytest.mark.parametrize(("command", "rest"), LINES.items(), ids=LINES)
def test_which_commands_use_a_profile(cli: Cli, home: Path, command: str, rest: tuple[str, ...]) -> None:
    env = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data"), "APS_SPEED": "60"}
    if "ran" in rest:
        assert (
            cli("sync", "Riverside", "--folder", "Plans/Good", "--out", "ran", "--profile", "robot", env=env).code == 0
        )
    ran = cli(command, *rest, "--profile", "nobody", env=env)
    if command == "login":  # which creates it
        assert "--callback" in ran.err
        return
    assert ("there is no profile 'nobody'" in ran.out + ran.err) == (command in WITH_CREDENTIALS)


def test_recipes_for_schedules(cli: Cli, home: Path) -> None:
    ran = cli("--profile", "robot", "run", "--schedule-help")
    assert ran.code == 0
    started = [line for line in ran.out.splitlines() if "run nightly --file" in line]
    assert [" --profile robot run nightly" in line for line in started] == [True] * 3
    assert "'aps-async --profile robot login'" in ran.out
