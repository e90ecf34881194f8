"""Annotations of joined and split PDFs: links by name get the names of their sheet, markups find their notes again."""

from collections.abc import Iterable, Iterator
from typing import Any

from aps_async.pdf.objects import array, dictionaries, dictionary

__all__ = ["reconnect", "refer_to_others", "rename_links"]
__dir__: object = __all__.copy

_DEPTH = 32  # of actions that follow each other: they may be made to run in circles
_PARTNERS = ("/Popup", "/IRT", "/Parent")
"""Keys by which an annotation refers to another: its note, what it answers, what it is the note of."""


def rename_links(pages: list[Any], prefix: str, seen: set[Any]) -> None:
    """Puts the prefix in front of the name in every link by name; `seen` are the annotations that have theirs."""
    from pikepdf import Dictionary, Name, String

    for page in pages:
        for annotation in array(page.obj, "/Annots"):
            if not isinstance(annotation, Dictionary) or (annotation.is_indirect and annotation.objgen in seen):
                continue
            seen.add(annotation.objgen)
            for holder, key in _links(annotation):
                if holder is not annotation and holder.is_indirect:
                    if holder.objgen in seen:
                        continue
                    seen.add(holder.objgen)
                if isinstance(holder.get(key), (Name, String)):
                    holder[key] = String(prefix + str(holder[key]))


def _links(annotation: Any) -> Iterator[tuple[Any, str]]:
    """Where an annotation may name a place: itself, its actions, and those that follow them."""
    yield annotation, "/Dest"
    additional = dictionary(annotation, "/AA")
    ahead = [(annotation.get("/A"), 0), *((additional[key], 0) for key in additional.keys())]  # noqa: SIM118 - pikepdf's
    while ahead:
        action, depth = ahead.pop()
        for each in dictionaries(action):
            if each.get("/S") == "/GoTo":
                yield each, "/D"
            if depth < _DEPTH and "/Next" in each:
                ahead.append((each["/Next"], depth + 1))


def refer_to_others(pages: list[Any]) -> bool:
    """Whether any annotation refers to another one, see `reconnect`."""
    return any(key in each for page in pages for each in dictionaries(array(page.obj, "/Annots")) for key in _PARTNERS)


def reconnect(pages: Iterable[Any], copies: list[Any]) -> None:
    """Lets annotations refer to each other as on `pages`: each was copied alone, and again as another's partner."""
    for page, copy in zip(pages, copies, strict=True):
        originals = dictionaries(array(page.obj, "/Annots"))
        annotations = dictionaries(array(copy.obj, "/Annots"))
        if len(originals) != len(annotations):
            continue
        copy_of = {each.objgen: own for each, own in zip(originals, annotations, strict=True) if each.is_indirect}
        for original, own in zip(originals, annotations, strict=True):
            for key in _PARTNERS:
                partner = original.get(key)
                if getattr(partner, "objgen", None) in copy_of:
                    own[key] = copy_of[partner.objgen]
