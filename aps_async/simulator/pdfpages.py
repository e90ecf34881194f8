"""The pages of a PDF that was given."""

import io
from collections.abc import Sequence
from typing import Any

from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, NameObject

from .marks import Mark
from .parts import WorldError
from .plans import draw_overlay


class PdfPages:
    """The pages of a given PDF."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        try:
            self._reader = PdfReader(io.BytesIO(data))
            if self._reader.is_encrypted and not self._reader.decrypt(""):
                raise WorldError("pdf", "is protected by a password")
            self.count: int = len(self._reader.pages)
        except (PyPdfError, ValueError, KeyError) as error:
            if isinstance(error, WorldError):
                raise
            raise WorldError("pdf", f"cannot be read: {error}") from None
        if not self.count:
            raise WorldError("pdf", "has no pages")

    def page(
        self,
        index: int,
        key: str,
        *,
        markups: bool = False,
        links: tuple[tuple[str, str], ...] = (),
        revision: int = 0,
        marks: Sequence[Mark] = (),
    ) -> bytes:
        """One page as a PDF of its own."""
        original = self._reader.pages[index % self.count]
        writer = PdfWriter()
        page = writer.add_page(original, excluded_keys=("/Annots", "/B", "/StructParents", "/Thumb", "/AA"))
        if page.rotation:
            page.transfer_rotation_to_content()
        self._keep_annotations(original, page, writer, with_links=bool(links))
        box = page.mediabox
        if markups or revision or marks:
            size = float(box.width), float(box.height)
            over = draw_overlay(*size, key, markups=markups, revision=revision, marks=marks)
            layer = PdfReader(io.BytesIO(over)).pages[0]
            page.merge_translated_page(layer, float(box.left), float(box.bottom))
        for i, (_, address) in enumerate(links):
            left, bottom = float(box.left) + 20 + 60 * i, float(box.bottom) + 20
            writer.add_annotation(page, Link(rect=(left, bottom, left + 50, bottom + 20), url=address))
        buffer = io.BytesIO()
        writer.write(buffer)
        return buffer.getvalue()

    @staticmethod
    def _keep_annotations(original: PageObject, page: PageObject, writer: PdfWriter, *, with_links: bool) -> None:
        """Keep what is drawn; of links only those to the web, since other pages are not delivered."""
        kept = ArrayObject()
        for reference in original.get("/Annots", ()) or ():
            annotation: Any = reference.get_object()
            if not isinstance(annotation, DictionaryObject):
                continue
            if annotation.get("/Subtype") == "/Link":
                action: Any = annotation.get("/A", {})
                action = action.get_object() if hasattr(action, "get_object") else action
                if not with_links or action.get("/S") != "/URI":
                    continue
            clone: Any = annotation.clone(writer, force_duplicate=True, ignore_fields=_POINTERS)
            kept.append(clone.indirect_reference)
        if kept:
            page[NameObject("/Annots")] = kept


_POINTERS = ("/P", "/Popup", "/Parent", "/IRT", "/Dest", "/StructParent")
