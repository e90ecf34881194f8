"""What is made at its first use, so that a program only pays for what it needs: names of packages, and patterns."""

import re
from collections.abc import Callable, Mapping
from sys import modules
from typing import Any, AnyStr, cast

__all__ = ["importer", "regex"]
__dir__: object = __all__.copy


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package, given the names in each of its modules, separated by spaces."""
    home = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(__import__(home[name], fromlist=[name]), name)  # as `from ... import` does, also for submodules
        setattr(modules[package], name, found)  # from now on it is an attribute like any other
        return found

    return get


def regex(text: AnyStr, flags: int = 0) -> "re.Pattern[AnyStr]":
    """A regular expression that is compiled when it is first used."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))


class _Pattern:
    """Becomes like the compiled pattern, method by method: each is looked up once, and called directly from then on."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self.pattern = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)
        return found
