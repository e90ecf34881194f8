"""Names that are too long, and other places that cannot be written, are known before any work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.downloads.filenames import check_lengths
from aps_async.downloads.target_paths import check_future_folder, checked_future_path, checked_path
from aps_async.errors import TargetError
from aps_async.filesystem import part_of, replacing
from aps_async.sync.joined import checked_pdf
from aps_async.sync.options import SyncOptions

LONG, LONGEST = "a" * 256, "a" * 255
TOO_LONG: dict[str, str] = {
    "a name": LONG,
    "a name in a missing folder": f"missing/{LONG}",
    "a missing folder": f"{LONG}/a",
    "a folder of a missing one": f"missing/{LONG}/a",
    "bytes, not characters": "ä" * 128,
    "a path": "/".join(["a" * 200] * 25),
}


@pytest.mark.parametrize("name", TOO_LONG.values(), ids=TOO_LONG)
def test_names_that_are_too_long(tmp_path: Path, name: str) -> None:
    makes: list[Callable[[Path], object]] = [
        checked_future_path,
        check_future_folder,
        checked_pdf,
        lambda path: SyncOptions(merge=path),
    ]
    for make in makes:
        path = tmp_path / (f"{name}.pdf" if make in makes[2:] else name)
        with pytest.raises(TargetError, match=r"the name is too long; choose a shorter one"):
            make(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [LONGEST, "ä" * 127, f"missing/{LONGEST}", f"{LONGEST}/{LONGEST}"])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    check_lengths(tmp_path / name)
    check_future_folder(tmp_path / name)
    assert checked_future_path(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize(("length", "fits"), [(250, True), (251, False)])
def test_a_suffix_has_to_fit_too(tmp_path: Path, length: int, fits: bool) -> None:
    path = tmp_path / ("a" * length)
    if fits:
        assert checked_path(path, add_suffix=True) == path
    else:
        with pytest.raises(TargetError, match="too long"):
            checked_path(path, add_suffix=True)


@pytest.mark.parametrize("name", ["a", LONGEST, "ä" * 127, f"{'a' * 199}ä{'b' * 50}", "\udcff" * 80])
def test_an_unfinished_file_has_room_beside_every_name(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as file:
        file.write(b"x")
    assert list(tmp_path.iterdir()) == [tmp_path / name]
    assert part_of(tmp_path / name, "*").match(part_of(tmp_path / name, "*").name)


def test_a_file_where_a_folder_has_to_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match="is a file, not a folder"):
        check_future_folder(tmp_path / "file" / "a")
    with pytest.raises(TargetError, match="is a file, not a folder"):
        checked_future_path(tmp_path / "file" / "a.pdf")
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(TargetError, match="it is a folder"):
        checked_future_path(tmp_path / "folder.pdf")
