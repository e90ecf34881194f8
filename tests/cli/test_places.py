"""An error about a setting names where it was set: the variable, the profile's key, the option or the file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import Ran

Cli = Callable[..., Ran]
NOTHING = "http://127.0.0.1:9"
"""An address that nothing listens at."""
APP = {"APS_CLIENT_ID": "an-app", "APS_CLIENT_SECRET": "a-secret", "APS_BASE_URL": NOTHING}
JOB = """
[jobs.nightly]
profile = "{0}"
project = "Riverside"
out = "out"
"""
CASES: dict[str, tuple[dict[str, str], str, tuple[str, ...], str]] = {
    # variables, lines of the profile robot, arguments, words of the error
    "address of a variable": ({"APS_BASE_URL": "nowhere"}, "", ("projects",), "; check APS_BASE_URL"),
    "address of a profile": (
        {},
        "base_url = 'nowhere'",
        ("projects", "--profile", "robot"),
        "; check base_url in the profile robot",
    ),
    "address of a profile, for a login": (
        {},
        "base_url = 'http://nowhere'",
        ("login", "--client-id", "b", "--profile", "robot"),
        "check base_url in the profile robot",
    ),
    "address of a variable before that of a profile": (
        {"APS_BASE_URL": "nowhere", "APS_PROFILE": "robot"},
        "base_url = 'nothing'",
        ("whoami",),
        "; check APS_BASE_URL",
    ),
    "variable's address does not answer": ({}, "", ("projects",), "Check the address (APS_BASE_URL), the network"),
    "profile's address does not answer": (
        {},
        f"base_url = '{NOTHING}'",
        ("projects", "--profile", "robot"),
        "Check the address (base_url in the profile robot), the network, and the proxy (HTTPS_PROXY)",
    ),
    "doctor, and a profile's address": (
        {},
        f"base_url = '{NOTHING}'",
        ("doctor", "--profile", "robot"),
        "or remove base_url in the profile robot for the real service",
    ),
    "doctor, and a variable's address": ({}, "", ("doctor",), "or unset APS_BASE_URL for the real service"),
    "doctor without credentials, and a profile's address": (
        {"APS_CLIENT_ID": "", "APS_CLIENT_SECRET": "", "APS_BASE_URL": "", "APS_PROFILE": "broken"},
        "",
        ("doctor",),
        "check base_url in the profile broken",
    ),
    "user of an option": ({}, "", ("projects", "--user-id", "a\nb"), "error: --user-id contains a line break"),
    "user of an empty option": ({}, "", ("projects", "--user-id", " "), "error: --user-id is empty"),
    "user of a variable": ({"APS_USER_ID": "a\nb"}, "", ("projects",), "error: APS_USER_ID contains a line break"),
    "user of an empty variable": ({"APS_USER_ID": "  "}, "", ("projects",), "Check the address"),
    "user of a profile": (
        {},
        r'user_id = "a\u0007b"',
        ("projects", "--profile", "robot"),
        "error: user_id in the profile robot contains a line break",
    ),
    "callback of an option": ({}, "", ("login", "--callback", "here"), "error: --callback 'here' is not an address"),
    "callback of a variable": (
        {"APS_CALLBACK_URL": "http://[::1"},
        "",
        ("login",),
        "error: APS_CALLBACK_URL 'http://[::1' is not an address",
    ),
    "callback of a profile": (
        {},
        "callback = 'here'",
        ("login", "--profile", "robot"),
        "error: callback in the profile robot 'here' is not an address",
    ),
    "profile of an option": ({}, "", ("whoami", "--profile", "a b"), "error: --profile: 'a b' is not a valid"),
    "profile of a variable": ({"APS_PROFILE": "a b"}, "", ("whoami",), "error: APS_PROFILE: 'a b' is not a valid"),
    "profile of a job": ({}, "", ("run", "nightly"), "there is no profile 'nobody' (profile in aps-async.toml: job"),
    "profile of a job, beaten by the option": ({}, "", ("run", "nightly", "--profile", "none"), "'none' (--profile)"),
    "empty profile of a job": ({}, "", ("run", "nightly", "--file", "empty.toml"), "error: profile in empty.toml: job"),
    "database of an option": ({}, "", ("cancel", "1", "--database", "mysql://x"), "error: --database: the database's"),
    "database of a variable": (
        {"APS_DATABASE_URL": "mysql://x"},
        "",
        ("cancel", "1"),
        "error: APS_DATABASE_URL: the database's",
    ),
    "state folder of a variable": (
        {"APS_STATE_DIR": "s3://x"},
        "",
        ("status", "s3://a/b"),
        "APS_STATE_DIR: 's3://x' is not a path",
    ),
    "proxy in small letters": (
        {"APS_BASE_URL": "https://aps.invalid", "https_proxy": "socks5://x", "HTTPS_PROXY": "http://p.invalid"},
        "",
        ("projects",),
        "the address in https_proxy cannot be used",
    ),
}


@pytest.mark.parametrize(("env", "lines", "argv", "words"), CASES.values(), ids=CASES)
def test_an_error_names_where_a_value_was_set(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    lines: str,
    argv: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    profiles = tmp_path / "config" / "aps-async" / "profiles"
    profiles.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("a-secret")
    robot = f"kind = 'app'\nclient_id = 'robot'\nclient_secret_file = '{secret}'\n"
    (profiles / "robot.toml").write_text(f"{robot}{lines}\n")
    (profiles / "broken.toml").write_text("base_url = 'nowhere'\n")
    (tmp_path / "aps-async.toml").write_text(JOB.format("nobody"))
    (tmp_path / "empty.toml").write_text(JOB.format(" "))
    homes = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": os.devnull}
    ran = cli(*argv, env=APP | homes | env)
    assert ran.code != 0
    assert words in ran.out + ran.err
