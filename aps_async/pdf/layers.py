"""Layers of joined and split PDFs: no library copies the table that says which of them are off, so it is built again.

https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf, section 8.11.4.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from aps_async.pdf.objects import array, dictionaries, dictionary

__all__ = ["LayerTable", "Layers"]
__dir__: object = __all__.copy

_ELSEWHERE = frozenset(("/Parent", "/P", "/Dest", "/A", "/AA", "/B", "/Pg", "/StructParent", "/Popup"))
"""Keys of a page's parts that lead back to the page, to its tree, or to another page."""

_REST = ("/Locked", "/RBGroups", "/AS")
_Node = Any
"""A part of a table of layers: the `objgen` of one, a heading, a `_Group`, or a `_Usage`."""


@frozen
class _Group:
    """A list in a list."""

    nodes: list[_Node]
    layers: frozenset[Any]
    """All that are in it, at any depth, so that most lists need not be looked through for each of many pages."""


@frozen
class _Usage:
    """When the layers' own `/Usage` decides: such as for printing."""

    events: tuple[str, ...]
    categories: tuple[str, ...]
    groups: list[_Node]


class Layers:
    """The layers of an open PDF, read once, since reading takes long where there are many."""

    def __init__(self, pdf: Any) -> None:
        table = dictionary(pdf.Root, "/OCProperties")
        default = dictionary(table, "/D")
        intents = _names(default, "/Intent") or {"/View"}
        shown = {each.objgen for each in dictionaries(array(default, "/ON"))}
        hidden = {each.objgen for each in dictionaries(array(default, "/OFF"))}
        base = default.get("/BaseState") != "/OFF"

        def is_on(layer: Any) -> bool:
            if "/All" not in intents and not intents & (_names(layer, "/Intent") or {"/View"}):
                return True
            return (base or layer.objgen in shown) and layer.objgen not in hidden

        self.is_on: dict[Any, bool] = {each.objgen: is_on(each) for each in dictionaries(array(table, "/OCGs"))}
        """Whether each is shown when the sheet is opened, in the table's order."""
        self.has_views: bool = bool(array(table, "/Configs"))
        self.order: list[_Node] = _nodes(array(default, "/Order"))
        self.rest: dict[str, list[_Node]] = {key: _nodes(array(default, key)) for key in _REST}
        self.place: dict[Any, int] = {objgen: index for index, objgen in enumerate(self.is_on)}


class LayerTable:
    """The `/OCProperties` of a joined or split PDF, with the layers of each sheet as they were in the sheet.

    `add` pairs the layers of a sheet with their copies by walking over page and copy in step. `write` puts the table
    into the new PDF.
    """

    def __init__(self) -> None:
        self._layers: dict[Any, Any] = {}
        self._off: list[Any] = []
        self._order: list[Any] = []
        self._rest: dict[str, list[Any]] = {key: [] for key in _REST}

    def add(self, layers: Layers, pages: Iterable[Any], copies: list[Any], name: str = "") -> tuple[str, ...]:
        """Takes over the layers of a PDF whose `pages` came out as `copies`; returns warnings.

        Args:
            name: the heading for these layers in a viewer's list, if they need one.
        """
        from pikepdf import Array

        copy_of: dict[Any, Any] = {}
        lost = 0
        for page, copy in zip(pages, copies, strict=True):
            lost += _pair(page.obj, copy.obj, copy_of)
        listed = sorted((each for each in copy_of if each in layers.is_on), key=layers.place.__getitem__)
        self._layers.update((copy_of[each].objgen, copy_of[each]) for each in listed)
        self._off += [copy_of[each] for each in listed if not layers.is_on[each]]
        if order := _mapped(layers.order, copy_of):
            self._order += [Array([name, *order])] if name else order
        for key, kept in self._rest.items():
            kept += _mapped(layers.rest[key], copy_of)
        warnings: list[str] = []
        if lost:
            warnings.append(f"{lost} of its layers could not be followed and are shown")
        if layers.has_views:
            warnings.append("only the default view of its layers was kept")
        return tuple(warnings)

    def write(self, pdf: Any) -> None:
        """Puts the table into the new PDF, if any sheet had layers."""
        from pikepdf import Array, Dictionary, Name

        if not self._layers:
            return
        lists = {"/OFF": self._off, "/Order": self._order, **self._rest}
        default = Dictionary({key: Array(each) for key, each in lists.items() if each})
        default["/Name"] = "Layers"
        default["/BaseState"] = Name("/ON")
        default["/ListMode"] = Name("/VisiblePages")  # a thousand sheets have too many layers for one list
        default["/Intent"] = Name("/All")  # `Layers` has seen to what each sheet's own intent leaves alone
        pdf.Root["/OCProperties"] = Dictionary({"/OCGs": Array(self._layers.values()), "/D": default})


def _names(holder: Any, key: str) -> set[str]:
    """One name, or an array of them."""
    from pikepdf import Name

    found = holder.get(key)
    names = [found] if isinstance(found, Name) else array(holder, key)
    return {str(each) for each in names if isinstance(each, Name)}


def _nodes(values: Any) -> list[_Node]:
    """A table of layers as plain values."""
    from pikepdf import Array, Dictionary, String

    found: list[_Node] = []
    for each in values:
        if isinstance(each, Array):
            nodes = _nodes(each)
            found.append(_Group(nodes, frozenset(_layers_in(nodes))))
        elif isinstance(each, String):
            found.append(str(each))
        elif isinstance(each, Dictionary) and "/OCGs" in each:  # an entry of /AS
            events, categories = (tuple(sorted(_names(each, key))) for key in ("/Event", "/Category"))
            found.append(_Usage(events, categories, _nodes(array(each, "/OCGs"))))
        elif isinstance(each, Dictionary):
            found.append(each.objgen)
    return found


def _layers_in(nodes: list[_Node]) -> Iterator[Any]:
    for each in nodes:
        if isinstance(each, _Group | _Usage):
            yield from each.layers if isinstance(each, _Group) else _layers_in(each.groups)
        elif not isinstance(each, str):
            yield each


def _mapped(nodes: list[_Node], copy_of: dict[Any, Any]) -> list[Any]:
    """The same lists with the copies in place of the layers; what holds none of them is left out."""
    from pikepdf import Array, String

    found: list[Any] = []
    for each in nodes:
        if isinstance(each, _Group):
            inner = [] if copy_of.keys().isdisjoint(each.layers) else _mapped(each.nodes, copy_of)
            if any(not isinstance(one, String) for one in inner):
                found.append(Array(inner))
        elif isinstance(each, str):
            found.append(String(each))
        elif isinstance(each, _Usage):
            if groups := _mapped(each.groups, copy_of):
                found.append(_usage(each, groups))
        elif each in copy_of:
            found.append(copy_of[each])
    return found


def _usage(usage: _Usage, groups: list[Any]) -> Any:
    from pikepdf import Array, Dictionary, Name

    kept = Dictionary({"/OCGs": Array(groups)})
    kept["/Category"] = Array([Name(each) for each in usage.categories])
    for event in usage.events:
        kept["/Event"] = Name(event)
    return kept


def _pair(page: Any, copy: Any, copy_of: dict[Any, Any]) -> int:
    """Finds each layer of a page in its copy, which has the same shape; returns how many have no partner."""
    from pikepdf import Array, Dictionary, Stream

    alone: set[tuple[int, int]] = set()
    seen: set[tuple[int, int]] = set()
    ahead = [(page, copy), (_inherited(page, "/Resources"), copy.get("/Resources"))]
    while ahead:
        source, own = ahead.pop()
        if own is None or (own.is_indirect and own.objgen in seen):
            continue
        if own.is_indirect:
            seen.add(own.objgen)
        for partner, child in _children(source, own):
            if not isinstance(child, (Dictionary, Array, Stream)):
                continue
            kind = child.get("/Type") if not isinstance(child, Array) else None
            if kind == "/OCG":
                if isinstance(partner, Dictionary) and partner.get("/Type") == "/OCG":
                    copy_of[partner.objgen] = child
                else:
                    alone.add(child.objgen)
            elif kind not in ("/Page", "/Pages"):
                ahead.append((partner, child))
    return len(alone - {each.objgen for each in copy_of.values()})


def _children(source: Any, own: Any) -> Iterator[tuple[Any, Any]]:
    """What a dictionary or an array holds, with what the source has in the same place."""
    from pikepdf import Array, Dictionary, Stream

    if isinstance(own, Array):
        partners = list(source) if isinstance(source, Array) else []
        for index, each in enumerate(own):
            yield partners[index] if index < len(partners) else None, each
        return
    is_alike = isinstance(source, (Dictionary, Stream))
    for key in own.keys():  # noqa: SIM118 - a dictionary of pikepdf iterates over something else
        if key not in _ELSEWHERE:
            yield source.get(key) if is_alike else None, own[key]


def _inherited(page: Any, key: str) -> Any:
    """The page's own value or that of the tree above it."""
    for _ in range(64):
        if page is None or key in page:
            break
        page = page.get("/Parent")
    return None if page is None else page.get(key)
