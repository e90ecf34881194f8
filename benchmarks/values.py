"""From bytes to values: our converter against msgspec and pydantic, which check the same fields."""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec
import pydantic
from pydantic.alias_generators import to_camel

from aps_async.resources.bim360 import ExportAnswer
from aps_async.resources.cost import CostDocument
from aps_async.resources.jsonapi import Page
from aps_async.transport.converter import structure
from aps_async.transport.decoding import loads
from benchmarks.canned import DONE, PENDING
from benchmarks.charts import bars
from benchmarks.children import figure, run, spread


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=to_camel)


class ResultP(_Model):
    version_urn: str | None = None
    resource_id: str | None = None
    link: str | None = None
    signed_url: str | None = None


class AnswerP(_Model):
    id: str
    status: str
    data: ResultP | None = None


class ErrorP(_Model):
    code: str | None = None
    message: str | None = None
    detail: str | None = None


class DocumentP(_Model):
    id: str
    recipient_id: str | None = None
    signed_by: str | None = None
    urn: str | None = None
    pdf_urn: str | None = None
    status: str = ""
    job_id: int | None = None
    error_info: ErrorP | None = None
    association_id: str | None = None
    association_type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class ExtensionP(_Model):
    type: str = ""
    data: dict[str, Any] = {}


class AttributesP(_Model):
    name: str | None = None
    display_name: str | None = None
    region: str | None = None
    hidden: bool | None = None
    version_number: int | None = None
    storage_size: int | None = None
    create_time: str | None = None
    extension: ExtensionP = ExtensionP()


class RelationP(_Model):
    data: Any = None


class ResourceP(_Model):
    type: str
    id: str
    attributes: AttributesP = AttributesP()
    relationships: dict[str, RelationP] = {}


class PageP(_Model):
    data: tuple[ResourceP, ...] = ()
    included: tuple[ResourceP, ...] = ()
    links: dict[str, Any] = {}
    meta: dict[str, Any] = {}


def _struct(model: type[_Model], made: dict[type, type]) -> type:
    """The same class as a msgspec Struct."""
    if model in made:
        return made[model]
    fields = []
    for name, info in model.model_fields.items():
        kind: Any = info.annotation
        for inner in (ResultP, ErrorP, ExtensionP, AttributesP, RelationP, ResourceP):
            text = str(kind)
            if inner.__name__ in text:
                other = _struct(inner, made)
                kind = {
                    True: other | None, False: other,
                }["None" in text]  # fmt: skip
                if "tuple" in text:
                    kind = tuple[other, ...]  # type: ignore[valid-type]
                if "dict" in text:
                    kind = dict[str, other]  # type: ignore[valid-type]
        fields.append((name, kind) if info.is_required() else (name, kind, msgspec.field(default_factory=lambda: None)))
    made[model] = msgspec.defstruct(model.__name__, fields, rename="camel")
    return made[model]


def _page() -> bytes:
    def sheet(number: int) -> dict[str, Any]:
        extension = {
            "type": "items:autodesk.bim360:Document",
            "version": "1.0",
            "data": {"sourceFileName": "plans.pdf"},
        }
        tip = {"data": {"type": "versions", "id": f"urn:adsk.wipprod:fs.file:vf.{number}?version=1"}}
        attributes = {"displayName": f"A-{number}", "hidden": False, "createTime": "2019-06-18T23:29:21.0000000Z"}
        return {
            "type": "items",
            "id": f"urn:adsk.wipprod:dm.lineage:{number}",
            "attributes": {**attributes, "extension": extension},
            "relationships": {"tip": tip, "parent": tip, "versions": {"links": {"related": {"href": "/x"}}}},
        }

    return json.dumps({"data": [sheet(n) for n in range(200)], "included": [sheet(n) for n in range(200)]}).encode()


def _documents() -> bytes:
    one = {
        "id": "1df59db0-9484-11e8-a7ec-7ddae203e404", "recipientId": "GF8XKPKWM38E", "signedBy": None,
        "urn": "urn:adsk.wipprod:fs.file:vf.PMbRnoPZR2mKDhau2uw4SQ?version=1", "pdfUrn": None, "status": "Completed",
        "jobId": 1, "errorInfo": None, "associationId": "18d97ae0-9484-11e8-a7ec-7ddae203e404",
        "associationType": "Budget", "createdAt": "2019-01-06T01:24:22.678Z", "updatedAt": "2019-09-05T01:00:12.989Z",
    }  # fmt: skip
    return json.dumps([one] * 1000).encode()


CASES: dict[str, tuple[bytes, Any, Any, Any, int]] = {
    "pending export": (PENDING, ExportAnswer, AnswerP, False, 20_000),
    "finished export": (DONE, ExportAnswer, AnswerP, False, 20_000),
    "page of 200 sheets": (_page(), Page, PageP, False, 100),
    "1,000 cost documents": (_documents(), list[CostDocument], DocumentP, True, 50),
}


def _timed(call: Callable[[], object], count: int) -> float:
    call()
    began = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - began) / count * 1e6


def _once(case: str) -> dict[str, float]:
    data, ours, model, many, count = CASES[case]
    struct = _struct(model, {})
    decoder = msgspec.json.Decoder(list[struct] if many else struct)  # type: ignore[valid-type]
    adapter: Any = pydantic.TypeAdapter(list[model] if many else model)  # type: ignore[valid-type]
    return {
        "ours": _timed(lambda: structure(loads(data), ours), count),
        "msgspec": _timed(lambda: decoder.decode(data), count),
        "pydantic": _timed(lambda: adapter.validate_json(data), count),
    }


def measure(rounds: int) -> str:
    """A table in microseconds."""
    rows, chart = [], {}
    for case in CASES:
        found = [run("benchmarks.values", case=case) for _ in range(rounds)]
        cells = [spread([row[who] for row in found], 1) for who in ("ours", "msgspec", "pydantic")]
        for peer in ("msgspec", "pydantic"):
            ratios = [row["ours"] / row[peer] for row in found]
            cells.append(figure(f"{case}, over {peer}", ratios))
            chart[f"{case}, over {peer}"] = median(ratios)
        rows.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            bars("values", "orjson + cattrs over others: CPU time from bytes to values", chart),
            "",
            "| CPU us | orjson + cattrs (ours) | msgspec | pydantic | over msgspec | over pydantic |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "msgspec and pydantic are written in C and Rust, and leave the documents' times as text here. Ours costs a",
            "hundredth of a page's round trip, and less than a tenth of a poll's CPU.",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_once(json.loads(sys.argv[1])["case"])) + "\n")
