"""Links by name in joined and split PDFs: no table of names is copied with the pages, and two may use one name."""

from collections.abc import Iterable, Iterator
from typing import Any

from aps_async.pdf.objects import array, dictionaries, dictionary

__all__ = ["DestinationTable", "named_places"]
__dir__: object = __all__.copy

_DEPTH = 32  # a damaged tree may run in circles


class DestinationTable:
    """The named places of a joined or split PDF; the names of each sheet get a prefix of their own."""

    def __init__(self) -> None:
        self._places: dict[str, Any] = {}

    def add(self, named: Iterable[tuple[str, Any]], pages: Iterable[Any], copies: list[Any], prefix: str = "") -> None:
        """Takes over names of an open PDF, see `named_places`, whose `pages` came out as `copies`."""
        from pikepdf import Array, Dictionary

        page_of = {page.objgen: copy.obj for page, copy in zip(pages, copies, strict=True)}
        for name, place in named:
            target = place.get("/D") if isinstance(place, Dictionary) else place
            if isinstance(target, Array) and len(target) and isinstance(target[0], Dictionary):
                page = page_of.get(target[0].objgen)
                if page is not None:
                    self._places[prefix + name] = Array([page, *list(target)[1:]])

    def write(self, pdf: Any) -> None:
        """Puts the table into the new PDF, if any sheet had named places."""
        from pikepdf import Array, Dictionary, String

        if not self._places:
            return
        named = sorted(((String(name), place) for name, place in self._places.items()), key=lambda each: bytes(each[0]))
        tree = Dictionary({"/Names": Array([value for pair in named for value in pair])})
        pdf.Root["/Names"] = Dictionary({"/Dests": pdf.make_indirect(tree)})


def named_places(sheet: Any) -> Iterator[tuple[str, Any]]:
    """The names of today's tree and of the dictionary that PDF 1.1 had."""
    old = dictionary(sheet.Root, "/Dests")
    for key in old.keys():  # noqa: SIM118 - a dictionary of pikepdf iterates over something else
        yield key, old[key]
    ahead: list[tuple[Any, int]] = [(dictionary(dictionary(sheet.Root, "/Names"), "/Dests"), 0)]
    while ahead:
        node, depth = ahead.pop()
        names = list(array(node, "/Names"))
        yield from ((str(name), place) for name, place in zip(names[::2], names[1::2], strict=False))
        if depth < _DEPTH:
            ahead += [(each, depth + 1) for each in dictionaries(array(node, "/Kids"))]
