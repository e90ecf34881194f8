"""Repairs the environment of a command: closed standard streams, unusable terminal widths, few open files."""

import os
import sys

from aps_async.descriptors import raise_limit

_WIDTHS = ("COLUMNS", "TERMINAL_WIDTH")
_NARROWEST, _WIDEST = 20, 1000


def make_usable() -> None:
    """Opens closed standard streams on the null device, removes unusable terminal widths, and allows more open files.

    cron and `<&-` close streams. The first sockets would get their descriptors, and uvloop would abort the process.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            _open_null(number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
    for name in _WIDTHS:
        text = os.environ.get(name, "")
        if not (text.isascii() and text.isdigit() and len(text) < 5 and _NARROWEST <= int(text) <= _WIDEST):
            os.environ.pop(name, None)
    raise_limit()


def _open_null(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == number:
        os.set_inheritable(number, True)  # a browser that we start needs its streams too
        return
    os.dup2(opened, number)
    os.close(opened)
