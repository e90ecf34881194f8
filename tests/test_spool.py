"""Rows on the disk."""

import threading

import pytest

from aps_async.errors import DiskFullError
from aps_async.spool import Spool


def test_rows_are_read_in_the_order_of_their_keys_as_often_as_needed() -> None:
    spool = Spool()
    rows = [(f"{number % 7}", "\U0001f600" if number % 2 else "\uffff", f"{number:05}") for number in range(1300)]
    for key in rows[::3] + rows[1::3] + rows[2::3]:
        spool.add(key, [*key, None, 1.5, ["a", "\ud800"]])
    assert len(spool) == 1300
    wanted = [[*key, None, 1.5, ["a", "\ud800"]] for key in sorted(rows)]
    assert list(spool) == wanted
    assert list(spool) == wanted


def test_a_shorter_text_comes_first_whatever_follows_it() -> None:
    spool = Spool()
    for key in (("A 1", "a"), ("A", "z"), ("", "b"), ("A", "z", "")):
        spool.add(key, key)
    assert [tuple(row) for row in spool] == [("", "b"), ("A", "z"), ("A", "z", ""), ("A 1", "a")]


def test_rows_with_equal_keys_stay_in_order_and_another_thread_may_read_them() -> None:
    spool, found = Spool(), list[list[int]]()
    for number in range(1200):
        spool.add(["a"], [number])
    reader = threading.Thread(target=lambda: found.extend(spool))
    reader.start()
    reader.join()
    assert found == [[number] for number in range(1200)]


def test_a_full_disk_is_named() -> None:
    spool = Spool()
    spool._connection.execute("PRAGMA max_page_count=5")  # as if no more fitted on the disk
    for number in range(499):
        spool.add([f"{number}"], ["x" * 100])
    with pytest.raises(DiskFullError, match="temporary files is full"):
        spool.add([], ["x" * 100])
