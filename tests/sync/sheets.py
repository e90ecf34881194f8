"""Small PDFs with what sheets may hold, and looks into what was joined."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
from pikepdf import Array, Dictionary, Name, Stream, String

Draw = Callable[[pikepdf.Pdf], None]


def make_pdf(path: Path, *changes: Draw, pages: int = 1, **saving: Any) -> Path:
    """Saves a PDF with white pages of 100 points, after the changes."""
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page(page_size=(100, 100))
        for change in changes:
            change(pdf)
        pdf.save(path, **saving)
    return path


def add_content(page: Any, content: str) -> None:
    """Draws more on a page."""
    page.contents_add(content.encode())


def resource(page: Any, kind: str, name: str, value: Any) -> None:
    """Gives a page a resource."""
    if "/Resources" not in page.obj:
        page.obj["/Resources"] = Dictionary()
    resources = page.obj["/Resources"]
    if kind not in resources:
        resources[kind] = Dictionary()
    resources[kind][name] = value


def layer(pdf: pikepdf.Pdf, name: str, **more: Any) -> Any:
    """A new layer that no table lists yet."""
    return pdf.make_indirect(Dictionary(Type=Name.OCG, Name=name, **more))


def on_layer(page: Any, group: Any, x: int, color: str = "1 0 0") -> None:
    """A square of 20 points at (x, 10), on a layer."""
    name = f"/L{x}"
    resource(page, "/Properties", name, group)
    add_content(page, f"/OC {name} BDC {color} rg {x} 10 20 20 re f EMC\n")


def add_annotation(pdf: pikepdf.Pdf, page: int = 0, /, **values: Any) -> Any:
    """An annotation on a page."""
    annotation = pdf.make_indirect(Dictionary(Type=Name.Annot, Rect=[5, 5, 25, 15], **values))
    holder = pdf.pages[page].obj
    if "/Annots" not in holder:
        holder["/Annots"] = Array()
    holder["/Annots"].append(annotation)
    return annotation


def add_link(pdf: pikepdf.Pdf, page: int = 0, /, **values: Any) -> Any:
    """A link on a page."""
    return add_annotation(pdf, page, Subtype=Name.Link, **values)


def add_field(pdf: pikepdf.Pdf, name: str, value: str, color: str) -> None:
    """A text field that shows as a square of this color, whatever its value."""
    look = Stream(pdf, f"{color} rg 0 0 30 30 re f".encode())
    look.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 30, 30])})
    field = add_annotation(pdf, Subtype=Name.Widget, FT=Name.Tx, T=name, V=value, F=4, AP=Dictionary(N=look))
    field["/Rect"] = Array([60, 60, 90, 90])
    pdf.Root["/AcroForm"] = Dictionary(Fields=Array([field]), DA=String("/Helv 0 Tf 0 g"))


def pictures_of(path: Path) -> list[bytes]:
    """The pixels of every page, with its annotations."""
    with pypdfium2.PdfDocument(path) as document:
        document.init_forms()
        found = []
        for page in document:
            bitmap = page.render()
            found.append(bytes(bitmap.buffer))
            bitmap.close()
            page.close()
        return found


def pages_linked_from(path: Path) -> list[list[int]]:
    """For each page, the pages that its links lead to, as pdfium follows them; -1 for a dead link."""
    with pypdfium2.PdfDocument(path) as document:
        return [_linked_from(document, page) for page in document]


def _linked_from(document: Any, page: Any) -> list[int]:
    found = []
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        link = pdfium.FPDFAnnot_GetLink(annotation)
        place = pdfium.FPDFLink_GetDest(document, link) if link else None
        if link and not place:
            action = pdfium.FPDFLink_GetAction(link)
            place = pdfium.FPDFAction_GetDest(document, action) if action else None
        if link:
            found.append(pdfium.FPDFDest_GetDestPageIndex(document, place) if place else -1)
        pdfium.FPDFPage_CloseAnnot(annotation)
    page.close()
    return found


def bookmarks_of(path: Path) -> list[tuple[int, str, int]]:
    """Depth, title and page of each bookmark."""
    with pypdfium2.PdfDocument(path) as document:
        return [(each.level, each.get_title(), each.get_dest().get_index()) for each in document.get_toc()]


def labels_of(path: Path) -> list[str]:
    """The label of each page."""
    with pypdfium2.PdfDocument(path) as document:
        return [document.get_page_label(number) for number in range(len(document))]


def flattened(groups: Iterable[list[bytes]]) -> list[bytes]:
    """The pages of several PDFs, one after the other."""
    return [each for group in groups for each in group]
