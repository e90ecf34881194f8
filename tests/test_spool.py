"""Texts on the disk."""

import threading

import pytest

from aps_async.errors import DiskFullError
from aps_async.spool import Spool


def test_texts_are_read_in_the_order_of_their_keys_as_often_as_needed() -> None:
    spool = Spool()
    keys = [(f"{number % 7}", "\U0001f600" if number % 2 else "\uffff", f"{number:05}") for number in range(1300)]
    for key in keys[::3] + keys[1::3] + keys[2::3]:
        spool.add(key, " \n".join(key))
    assert len(spool) == 1300
    wanted = [" \n".join(key) for key in sorted(keys)]
    assert list(spool) == wanted
    assert list(spool) == wanted


def test_a_shorter_text_comes_first_whatever_follows_it() -> None:
    spool = Spool()
    for key in (("A 1", "a"), ("A", "z"), ("", "\ud800"), ("A", "z", "")):
        spool.add(key, f"{len(key)} {key[0]}")
    assert list(spool) == ["2 ", "2 A", "3 A", "2 A 1"]


def test_texts_with_equal_keys_stay_in_order_and_another_thread_may_read_them() -> None:
    spool, found = Spool(), list[str]()
    for number in range(1200):
        spool.add(["a"], f"{number}")
    reader = threading.Thread(target=lambda: found.extend(spool))
    reader.start()
    reader.join()
    assert found == [f"{number}" for number in range(1200)]


def test_a_full_disk_is_named() -> None:
    spool = Spool()
    spool._connection.execute("PRAGMA max_page_count=5")  # as if no more fitted on the disk
    for number in range(499):
        spool.add([f"{number}"], "x" * 100)
    with pytest.raises(DiskFullError, match="temporary files is full"):
        spool.add([], "x" * 100)
