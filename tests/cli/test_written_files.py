"""Files that people write, with whatever editor or shell, and paths with `~`, which no shell replaces everywhere."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from aps_async.auth.service_account import key_from_file
from aps_async.cli import profiles
from aps_async.cli.clients import clients_of
from aps_async.cli.jobs import arguments, read_jobs
from aps_async.cli.options import a_path, a_pdf, a_target
from aps_async.cli.set_commands import sync
from aps_async.errors import APSError
from aps_async.exports.targets import state_folder
from aps_async.simulator import World, load_behaviour, load_faults
from aps_async.text import decoded, why_unreadable
from aps_async.transport.connections import tls_context
from tests.cli.support import Ran

Cli = Callable[..., Ran]


def _profile(file: Path) -> object:
    found = profiles.read(file.stem)
    assert found is not None
    return dict(found.values)


def _jobs(file: Path) -> object:
    return {name: dict(each.values) for name, each in read_jobs(file).items()}


@frozen
class Written:
    """A kind of file, and what reads it."""

    read: Callable[[Path], object]
    text: str
    is_json: bool = False


FILES = {
    "a profile": Written(_profile, 'kind = "app"\nclient_id = "Büro"\n'),
    "jobs": Written(_jobs, '[jobs.x]\nproject = "Büro"\n'),
    "clients of workers": Written(clients_of, '[[client]]\nprofile = "a"\n'),
    "a secret": Written(key_from_file, "s3crét\nline\n"),
    "a world": Written(lambda file: World.load(file).to_summary(), json.dumps({"hubs": [{"name": "B"}]}), is_json=True),
    "faults": Written(load_faults, '[{"endpoint": "token"}]', is_json=True),
    "behaviour": Written(load_behaviour, '{"post_status": 200}', is_json=True),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the file, which is that of the profiles, too."""
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path)
    return tmp_path / "own.toml"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        (name, encoding)
        for name, file in FILES.items()
        for encoding in ("utf-8-sig", *(() if file.is_json else ("utf-16-le", "utf-16-be")))  # JSON is UTF-8
    ],
)
def test_every_encoding_of_editors_and_shells(place: Path, name: str, encoding: str, line_end: str) -> None:
    file = FILES[name]
    place.touch(0o600)
    place.write_bytes(file.text.encode())
    plain = file.read(place)
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    place.write_bytes((mark + file.text.replace("\n", line_end)).encode(encoding))
    assert file.read(place) == plain


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_text_is_named_as_such(place: Path, name: str) -> None:
    place.touch(0o600)
    place.write_bytes(b"\x80\x81")
    with pytest.raises(Exception, match=r"own\.toml") as caught:
        FILES[name].read(place)
    if not FILES[name].is_json:
        assert "it is not text in UTF-8" in str(caught.value)
    place.unlink()
    place.mkdir()
    with pytest.raises(Exception, match=r"own\.toml.*: Is a directory") as caught:
        FILES[name].read(place)
    assert "Errno" not in str(caught.value)


def test_decoded() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        decoded(b"\xff\xfe\x00")  # half of a character
    assert why_unreadable(caught.value) == "it is not text in UTF-8"
    assert why_unreadable(OSError(13, "Permission denied", "x")) == "Permission denied"
    assert why_unreadable(RecursionError("too deep")) == "too deep"


@pytest.mark.parametrize(
    ("line", "words"),
    [('store = "keyrnig"', "store must be file or keyring"), ('kind = "robot"', "kind must be one of")],
)
def test_a_misspelt_value_is_not_ignored(place: Path, line: str, words: str) -> None:
    place.write_text(f'client_id = "a"\n{line}\n')
    with pytest.raises(APSError, match=words):
        profiles.read("own")


def test_an_empty_secret_is_named(place: Path) -> None:
    place.write_text("\n")
    with pytest.raises(APSError, match=r"the app's secret: the file .*own\.toml is empty"):
        key_from_file(place, "the app's secret")


PATHS: dict[str, Callable[[str], object]] = {
    "an option": a_path,
    "a target": a_target,
    "a PDF": lambda text: a_pdf(f"{text}.pdf").with_suffix(""),
    "a job": lambda text: Path(_out_of_job(text)),
    "the folder of ledgers": lambda text: _state_folder(text).parent,
}


def _out_of_job(text: str) -> str:
    file = Path("jobs.toml")
    file.write_text(f'[jobs.x]\nproject = "P"\nout = {json.dumps(text)}\n')
    [out] = [each for each in arguments(read_jobs(file)["x"], {"sync": sync, "export": sync}) if "--out=" in each]
    return out.removeprefix("--out=")


def _state_folder(text: str) -> Path:
    os.environ["APS_STATE_DIR"] = text
    return state_folder("s3://bucket/prefix")


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~/plans", "{home}/plans"),
        ("~nobody-here/plans", "{here}/~nobody-here/plans"),
        ("./~/plans", "{here}/~/plans"),
        ("pl~ns", "{here}/pl~ns"),
    ],
)
def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: str) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("APS_STATE_DIR", "")
    found = PATHS[name](text)
    assert Path(str(found)).absolute() == Path(expected.format(home=home, here=here))


@pytest.mark.parametrize("read", [key_from_file, tls_context])
def test_the_home_of_nobody_is_a_file_that_is_not_there(read: Callable[[str], object]) -> None:
    with pytest.raises(APSError, match=r"~nobody-here/x cannot be (read|used): No such file or directory"):
        read("~nobody-here/x")


def test_a_job_in_the_home_of_nobody(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[jobs.x]\nproject = "P"\nout = "~nobody-here/x"\n')
    ran = cli("run", "--list", "--file", file)
    assert ran.code == 0, ran.err
    assert f"--out={tmp_path}/~nobody-here/x" in ran.out
