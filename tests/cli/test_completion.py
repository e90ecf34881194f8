"""Completion of names, as the shells ask for it: from what earlier commands have listed, without a call."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.cli.completion import remember_projects
from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]
NAMES = ["Riverside Clinic", "Riverside Halle Ä (neu)", "it's $HOME", "Tower\x1b[31m"]


@pytest.fixture
def shell(cli: Cli, tmp_path: Path) -> Callable[..., list[str]]:
    """Asks for completions as bash does; the last word is the one to complete."""

    def ask(*words: str, kind: str = "bash", cwd: Path | None = None) -> list[str]:
        line = ["aps-async", *words]
        env = {
            "XDG_CACHE_HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "APS_BASE_URL": "http://127.0.0.1:9",
            "_APS_ASYNC_COMPLETE": f"complete_{kind}",
            "COMP_WORDS": "\n".join(line),
            "COMP_CWORD": str(len(words)),
            "_TYPER_COMPLETE_ARGS": " ".join(line),
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        ran = cli(env=env)
        assert (ran.code, ran.err) == (0, "")
        return [line for line in ran.out.splitlines() if line]

    return ask


@pytest.fixture
def _remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remember_projects("https://elsewhere.example", ["Riverside of another account"])
    remember_projects("http://127.0.0.1:9", NAMES)


@pytest.mark.usefixtures("_remembered")
@pytest.mark.parametrize(
    ("words", "kind", "found"),
    [
        (("export", "River"), "bash", ["Riverside\\ Clinic", "Riverside\\ Halle\\ Ä\\ \\(neu\\)"]),
        (("export", "river"), "bash", ["Riverside\\ Clinic", "Riverside\\ Halle\\ Ä\\ \\(neu\\)"]),
        (("export", "Riverside\\ C"), "bash", ["Riverside\\ Clinic"]),
        (("export", "'Riverside C"), "bash", ["Riverside Clinic"]),
        (("export", "it"), "bash", ["it\\'s\\ \\$HOME"]),
        (("sync", "riverside\\ c"), "fish", ["Riverside Clinic"]),
        (("sheets", "--match", "A-*", "Riverside\\ C"), "bash", ["Riverside\\ Clinic"]),
        (("export", "Tower"), "bash", []),
        (("guide", "man"), "bash", ["manager"]),
        (("gui",), "bash", ["guide"]),
        (("export", "--ma"), "bash", ["--match", "--markups"]),
    ],
)
def test_names_are_completed(
    shell: Callable[..., list[str]], words: tuple[str, ...], kind: str, found: list[str]
) -> None:
    assert shell(*words, kind=kind) == found


def test_profiles_and_jobs_are_completed(
    shell: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell("run", "") == []
    (tmp_path / "aps-async.toml").write_text('[jobs.nightly]\nproject = "x"\nout = "y"\n')
    assert shell("run", "n") == ["nightly"]
    assert shell("--profile", "") == []
    profiles = tmp_path / "aps-async" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "office.toml").touch()
    assert shell("--profile", "o") == ["office"]


@pytest.mark.usefixtures("_remembered")
@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"http://127.0.0.1:9": 1}', b"\xff", b"[" * 100_000])
def test_a_cache_that_cannot_be_read_is_empty(
    shell: Callable[..., list[str]], tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "aps-async" / "projects.json"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert shell("export", "River") == []


def test_commands_remember_the_names_of_projects_only(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    env = service.env | {"XDG_CACHE_HOME": str(tmp_path)}
    file = tmp_path / "aps-async" / "projects.json"
    assert cli("sheets", "Riverside", "--sheet", "A-101", env=env).code == 0
    assert json.loads(file.read_bytes()) == {service.url: ["Riverside"]}
    assert cli("projects", env=env).code == 0
    assert json.loads(file.read_bytes()) == {service.url: ["Riverside", "Tower", "Annex", "Bare"]}
    assert file.stat().st_mode & 0o077 == 0
    file.unlink()
    file.parent.rmdir()
    file.parent.touch()
    assert cli("sheets", "Riverside", "--sheet", "A-101", env=env).code == 0, "a cache that cannot be written"
