"""A user without a home, as in containers that run under any user id: only what must be stored there is refused."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.auth import FileStore, KeyringStore
from aps_async.cli import main, profiles
from aps_async.cli.completion import complete_profile, complete_project, remember_projects
from aps_async.downloads.object_storage import ObjectStorage
from aps_async.errors import InputError
from aps_async.exports.targets import state_folder
from tests.cli.support import Simulation

ADDRESS = "s3://bucket/plans"


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in os.environ:
        if name == "HOME" or name.startswith(("XDG_", "APS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a login in a file": (FileStore.for_profile, "set HOME to one"),
    "a login in the keyring": (KeyringStore, "set HOME to one"),
    "a new profile": (lambda: profiles.write(profiles.Profile("work")), "set HOME to one"),
    "the ledger of a storage": (lambda: state_folder(ADDRESS), "set HOME or APS_STATE_DIR to one"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_must_be_stored_is_refused(what: str, tmp_path: Path) -> None:
    store, words = REFUSED[what]
    with pytest.raises(InputError, match=words):
        store()
    assert list(tmp_path.iterdir()) == []


def test_there_are_no_profiles_and_nothing_to_complete() -> None:
    remember_projects("https://service.example", ["Riverside"])
    assert (profiles.names(), profiles.read("work")) == ([], None)
    assert (complete_profile(""), complete_project("")) == ([], [])


def test_the_folder_of_the_state_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APS_STATE_DIR", str(tmp_path))
    assert state_folder(ADDRESS).parent == tmp_path


def test_a_cloud_without_credentials_is_named_as_ever() -> None:
    with pytest.raises(InputError, match="needs credentials"):
        ObjectStorage("gs://bucket")


def test_commands_take_credentials_of_the_environment(
    service: Simulation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    assert main(["projects"]) == 0
    assert "Riverside" in capsys.readouterr().out


@pytest.mark.parametrize(("argv", "code"), [(["projects"], 3), (["whoami"], 3), (["doctor"], 3), (["logout"], 3)])
def test_commands_without_credentials_say_that(argv: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == code
    shown = capsys.readouterr()
    assert "no credentials" in shown.err + shown.out
