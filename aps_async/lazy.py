"""Lazy packages: their names are imported at the first use, so that a program only loads what it needs."""

from collections.abc import Callable, Mapping
from sys import modules
from typing import Any

__all__ = ["importer"]
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
