"""Files that people write: editors and shells on Windows write marks and encodings of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.auth.service_account import key_from_file
from aps_async.cli import profiles
from aps_async.cli.clients import clients_of
from aps_async.cli.jobs import read_jobs
from aps_async.simulator import World
from aps_async.simulator.behaviour import load_behaviour
from aps_async.simulator.faults import load_faults
from aps_async.text import text_of


def _profile(file: Path) -> object:
    file.rename(file.with_name("work.toml"))
    return profiles.read("work")


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "profile": ('kind = "app"\nclient_id = "ü"\n', _profile),
    "secret": ("secret\n", key_from_file),
    "clients": ('[[client]]\nprofile = "work"\n', clients_of),
    "jobs": ('[jobs.nightly]\ncommand = "sync"\n', lambda file: [*read_jobs(file)]),
    "behaviour": ('{\n"post_status": 201}', load_behaviour),
    "faults": ("[\n]", load_faults),
    "world": ('{"hubs": [\n]}', lambda file: World.load(file).to_summary()),
}
ENCODINGS = {
    "an editor's mark": ("utf-8-sig", "\n"),
    "a mark and Windows' line ends": ("utf-8-sig", "\r\n"),
    "Windows PowerShell's >": ("utf-16", "\r\n"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", READERS)
def test_a_file_is_read_in_the_encodings_of_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, encoding: str
) -> None:
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path)
    text, read = READERS[name]
    (codec, end), file = ENCODINGS[encoding], tmp_path / "written"
    file.write_bytes(text.encode())
    plain = read(file)
    file.write_bytes(text.replace("\n", end).encode(codec))
    assert read(file) == plain


@pytest.mark.parametrize("data", ["ü".encode("latin-1"), b"\xff\xfea", "ü".encode("utf-16")[:-1]])
def test_another_encoding_is_not_guessed(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        text_of(data)
