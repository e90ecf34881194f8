"""Our own files: replaced in one step, private where that is promised, and never written through a link."""

import os
import secrets
import stat
from pathlib import Path

import pytest

from aps_async import filesystem
from aps_async.cli import profiles
from aps_async.filesystem import open_own, part_of, replacing, try_lock

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights and links")


@pytest.fixture
def no_umask() -> object:
    old = os.umask(0)
    yield
    os.umask(old)


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with replacing(path, 0o600) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="closed file"), replacing(path, 0o600) as file:
        file.close()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_new_file_and_its_name_are_on_the_disk_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, replace, seen = os.fsync, os.replace, list[object]()

    def noted_sync(file: int) -> None:
        sync(file)
        seen.append((os.fstat(file).st_ino, os.fstat(file).st_size if stat.S_ISREG(os.fstat(file).st_mode) else None))

    def noted_replace(part: Path, final: Path) -> None:
        seen.append("named")
        replace(part, final)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    with replacing(tmp_path / "x", 0o600) as file:
        file.write(b"new")
    assert seen == [((tmp_path / "x").stat().st_ino, 3), "named", (tmp_path.stat().st_ino, None)]


@posix
@pytest.mark.usefixtures("no_umask")
def test_a_new_file_is_its_owners_alone_from_the_first_byte(tmp_path: Path) -> None:
    with replacing(tmp_path / "x", 0o600) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("planted", ["file", "link"])
def test_a_new_file_is_never_one_that_others_have_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """A name that can be guessed must not do harm either: O_EXCL."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    part = part_of(tmp_path / "x", "guessed")
    if planted == "file":
        part.write_bytes(b"open for others")
    else:
        part.symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError), replacing(tmp_path / "x", 0o600) as file:
        file.write(b"secret")
    assert not (tmp_path / "target").exists()
    assert not (tmp_path / "x").exists()


@posix
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT])
@pytest.mark.parametrize("target", ["file", "missing", "folder"])
def test_a_link_is_not_opened(tmp_path: Path, flags: int, target: str) -> None:
    if target == "file":
        (tmp_path / target).write_bytes(b"mine")
    elif target == "folder":
        (tmp_path / target).mkdir()
    (tmp_path / "x").symlink_to(tmp_path / target)
    with pytest.raises(OSError, match=r"symbolic links|not a regular file"):
        open_own(tmp_path / "x", flags)
    assert (tmp_path / "missing").exists() is False


@posix
def test_where_the_system_has_no_such_flag_a_link_is_found_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "NO_FOLLOW", 0)
    monkeypatch.setattr(filesystem, "_OPEN", 0)
    (tmp_path / "x").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="not a regular file"):
        open_own(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    assert not (tmp_path / "target").exists()


def test_a_lock_excludes_others_until_it_is_closed(tmp_path: Path) -> None:
    flags = os.O_RDWR | os.O_CREAT
    first, second = open_own(tmp_path / "lock", flags), open_own(tmp_path / "lock", flags)
    reader = open_own(tmp_path / "lock", os.O_RDONLY)
    assert try_lock(first)
    assert not try_lock(second)
    assert not try_lock(reader, shared=True)
    os.close(first)
    assert try_lock(reader, shared=True)
    os.close(reader)
    assert try_lock(second)
    os.close(second)


@posix
@pytest.mark.usefixtures("no_umask")
def test_a_profile_is_a_file_of_mode_0600_in_a_folder_of_mode_0700(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path / "profiles")
    for _ in range(2):
        file = profiles.write(profiles.Profile("work", {"client_id": "x"}))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert list(file.parent.iterdir()) == [file]
