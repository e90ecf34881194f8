"""Worlds: the demo account, JSON, and what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from aps_async.simulator import Simulator, World, WorldError


@pytest.mark.parametrize("sheets", [0, 1, 12, 500])
def test_the_demo_has_exactly_so_many_sheets(sheets: int) -> None:
    world = World.demo(sheets)
    assert len(world.sheets) == sheets
    assert {sheet.folder.project.name for sheet in world.sheets} <= {"Riverside Clinic"}
    assert len({sheet.name for sheet in world.sheets}) == sheets
    assert max((len(folder.items) for folder in world.folders.values()), default=0) < 70


def test_ids_have_their_form_and_are_stable() -> None:
    one, two, other = World.demo(), World.demo(), World.demo(seed=1)
    assert list(one.versions) == list(two.versions)
    assert not set(one.versions) & set(other.versions)
    sheet = one.find_sheet("A-101")
    assert sheet.id.startswith("urn:adsk.wipprod:dm.lineage:")
    assert len(sheet.id.rpartition(":")[2]) == 22
    assert sheet.tip.id == f"urn:adsk.wipprod:fs.file:vf.{sheet.id.rpartition(':')[2]}?version=1"
    with pytest.raises(KeyError):
        one.find_sheet("Z-9")


def test_json_with_given_and_derived_values(tmp_path: Path) -> None:
    document = {
        "users": [{"id": "U1", "projects": ["P"]}],
        "hubs": [
            {
                "region": "EMEA",
                "projects": [
                    {
                        "id": "b.11111111-2222-3333-4444-555555555555",
                        "name": "P",
                        "folders": [
                            {
                                "name": "Pläne",
                                "actions": ["SPLIT"],
                                "sheets": 3,
                                "folders": [
                                    {"name": "Sub", "items": [{"number": "B-1", "versions": ["urn:v1", "urn:v2"]}]}
                                ],
                            }
                        ],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "world.json"
    file.write_text(json.dumps(document), "utf-8")
    world = World.load(file)
    assert list(world.projects) == ["11111111-2222-3333-4444-555555555555"]
    assert len(world.sheets) == 4
    sheet = world.find_sheet("B-1")
    assert sheet.tip.id == "urn:v2"
    assert sheet.folder.path == "Pläne/Sub"
    assert sheet.folder.actions == ("SPLIT",)
    assert ":adsk.wipemea:" in sheet.id


def sheet_world(**item: Any) -> dict[str, Any]:
    return {"hubs": [{"projects": [{"folders": [{"name": "Plans", "items": [item]}]}]}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "world: is not JSON"),
        ("[]", "world: must be an object, not a list"),
        ({"hbus": []}, "world: unknown key 'hbus'"),
        ({"hubs": {}}, "world.hubs: must be a list, not an object"),
        (
            {"hubs": [{"projects": [{"name": 3}]}]},
            r"world.hubs\[0\].projects\[0\].name: must be a string, not a number",
        ),
        ({"apps": [{"id": "x"}]}, r"world.apps\[0\]: needs an id and a secret"),
        ({"users": [{}]}, r"world.users\[0\]: needs an id"),
        (sheet_world(type="dwg"), r"items\[0\].type: must be 'sheet' or 'file'"),
        (sheet_world(page=0), r"items\[0\].page: must be at least 1"),
        (sheet_world(bytes=10), r"items\[0\].bytes: must be at least"),
        (sheet_world(fails="yes"), r"items\[0\].fails: must be true or false, not a string"),
        (sheet_world(versions=[]), r"items\[0\].versions: needs at least one"),
        (sheet_world(versions=[1]), r"items\[0\].versions\[0\]: must be a string"),
        (sheet_world(source="x.pdf"), r"items\[0\].source: no file 'x.pdf'"),
        ({"hubs": [{"projects": [{"id": "a"}, {"id": "a"}]}]}, "has the id 'a', which something else has too"),
    ],
)
def test_bad_worlds(document: Any, message: str) -> None:
    with pytest.raises(WorldError, match=message):
        World.from_json(document)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="cannot be read"):
        World.load(tmp_path / "none.json")


CUT = "cut \ud83d"
"""A name that was cut within a character."""


async def test_names_may_be_cut_within_a_character() -> None:
    files = [{"type": "file", "name": f"{CUT}.{suffix}"} for suffix in ("pdf", "docx", "dwg")]
    folder = {"name": CUT, "items": [*files, {"number": CUT, "title": CUT, "source": f"{CUT}.pdf"}]}
    projects = [
        {"name": CUT, "folders": [{"name": "Plans", "folders": [folder]}]},
        {"name": CUT, "projectType": "ACC", "sheets": [{"number": CUT, "title": CUT, "collection": CUT}]},
        {"name": CUT, "cost": {"budgets": [{"name": CUT, "documents": [{"template": CUT}]}]}},
    ]
    world = World.from_json(json.dumps({"hubs": [{"name": CUT, "projects": projects}]}))
    async with Simulator(world) as simulator:
        simulator.prepare()
        sizes = [simulator.sources.content(version).size for version in world.versions.values()]
        assert len(sizes) == 5
        assert min(sizes) > 0


@pytest.mark.parametrize("document", [{"hubs": [{"id": CUT}]}, {"users": [{"id": CUT}]}, {"apps": [{"secret": CUT}]}])
def test_what_is_sent_in_addresses_and_headers_may_not(document: Any) -> None:
    with pytest.raises(WorldError, match="contains half a surrogate pair"):
        World.from_json(json.dumps(document))
