"""Python processes of our own, for what may crash or would keep this process busy."""

import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["can_start_python", "python_command"]
__dir__: object = __all__.copy


def can_start_python() -> bool:
    """Whether `sys.executable` is Python.

    In programs that have Python inside (those of PyInstaller, Revit) it is the program itself, which would be started a
    second time, and would do again what it is doing now.
    """
    name = Path(sys.executable or "").stem.lower()
    return not getattr(sys, "frozen", False) and name.startswith(("python", "pypy", "graalpy"))


def python_command(code: str, *arguments: str) -> list[str]:
    """The command that runs some code with the modules that this process would import.

    Modules of the current folder come last, for a process with `-c` would import them first: a folder with a `queue.py`
    in it would break every such process, or let a stranger's code run. Only if `can_start_python`.
    """
    here = {""}
    with suppress(OSError):  # the folder was removed
        here.add(str(Path.cwd()))
    entries: list[object] = [*sys.path]  # programs put paths of other types there
    path = sorted((each for each in entries if isinstance(each, str)), key=here.__contains__)
    return [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {path!a}; {code}", *arguments]
