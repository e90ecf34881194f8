"""The ACC project of the demo account, large ACC projects, and what Cost Management keeps for both kinds."""

from typing import Any

_TITLES = (
    ("T-101", "Ground Floor Lobby Plan", ("Architecture", "Lobby")),
    ("T-102", "Typical Office Floor Plan", ("Architecture",)),
    ("T-103", "Restaurant Level Plan", ("Architecture",)),
    ("T-104", "Roof Terrace Plan", ("Architecture",)),
    ("T-201", "Harbour Elevation", ("Facade",)),
    ("T-202", "City Elevation", ("Facade",)),
    ("T-301", "Section through the Core", ("Architecture", "Core")),
    ("S-101", "Core Framing Plan", ("Structure", "Core")),
    ("S-102", "Foundation Plan", ("Structure",)),
    ("S-201", "Column Schedule Plan", ("Structure",)),
    ("M-101", "Plant Room Ductwork Plan", ("MEP",)),
    ("E-101", "Lobby Lighting Plan", ("MEP", "Lobby")),
)
_TENDER, _CONSTRUCTION = "Issued for Tender", "Issued for Construction"
_SERVICES, _COORDINATED = "Building Services", "Issued for Coordination"


def tower() -> dict[str, Any]:
    """Harbour Tower: 12 current sheets and two in a collection, a few others, and files of all kinds."""
    sheets: list[dict[str, Any]] = [
        {"number": number, "title": title, "tags": list(tags), "versionSet": _CONSTRUCTION}
        for number, title, tags in _TITLES
    ]
    sheets += [
        {"number": number, "title": title, "tags": list(tags), "versionSet": _TENDER, "current": False}
        for number, title, tags in _TITLES[:3]
    ]
    sheets += [
        {"number": "T-901", "title": "Not Yet Published", "versionSet": _CONSTRUCTION, "published": False},
        {"number": "T-902", "title": "Withdrawn Canopy", "versionSet": _TENDER, "deleted": True},
    ]
    sheets += [
        {"number": number, "title": title, "versionSet": _COORDINATED, "collection": _SERVICES}
        for number, title in (("V-101", "Ground Floor Services Plan"), ("V-201", "Riser Diagram"))
    ]
    structure = [
        {"type": "file", "name": "T-01.pdf", "title": "Structural Comments", "size": 96_400},
        {"type": "file", "name": "Core.rvt", "size": 41_200_512, "pages": 2},
    ]
    files = [
        {"type": "file", "name": "T-01.pdf", "title": "Site Plan"},
        {"type": "file", "name": "Facade_Package.pdf", "title": "Facade", "pages": 3, "size": 812_004, "versions": 2},
        {"type": "file", "name": "Level_05.dwg", "title": "Level 5", "size": 3_204_118},
        {"type": "file", "name": "Point_Cloud.rvt", "size": 58_120_448, "noViews": True},
        {"type": "file", "name": "Minutes.docx"},
    ]
    return {
        "name": "Harbour Tower",
        "projectType": "ACC",
        "collections": [{"name": _SERVICES}],
        "versionSets": [
            {"name": _TENDER, "issuanceDate": "2024-02-12"},
            {"name": _CONSTRUCTION, "issuanceDate": "2024-06-03"},
            {"name": _COORDINATED, "issuanceDate": "2024-06-17", "collection": _SERVICES},
        ],
        "sheets": sheets,
        "cost": cost("Tower"),
        "folders": [{"name": "Project Files", "items": files, "folders": [{"name": "Structure", "items": structure}]}],
    }


def cost(what: str) -> dict[str, Any]:
    """Budgets, a contract and a change order, most with a document."""
    return {
        "budgets": [
            {"name": f"{what} Concrete", "code": "03 30 00", "amount": 418_000, "documents": 1},
            {"name": f"{what} Structural Steel", "code": "05 12 00", "amount": 287_500, "documents": 2},
            {
                "name": f"{what} Glazing",
                "code": "08 80 00",
                "amount": 196_200,
                "documents": [{"status": "PendingSign"}],
            },
            {"name": f"{what} Sprinklers", "code": "21 13 00", "amount": 74_900},
        ],
        "contracts": [
            {
                "name": f"{what} Shell and Core",
                "code": "SC-001",
                "amount": 655_000,
                "documents": [{"status": "Signed"}, {"template": "Subcontract Schedule", "status": "Failed"}],
            }
        ],
        "scos": [{"name": "Additional Pile Testing", "code": "SCO-004", "amount": 12_350, "documents": 1}],
    }


def acc(files: int, sheets: int, *, seed: int) -> dict[str, Any]:
    """One ACC project with so many PDF files in Project Files and so many sheets."""
    items = [{"type": "file", "name": f"F-{i:04d}.pdf", "title": f"File {i}"} for i in range(1, files + 1)]
    project = {
        "name": "Harbour Tower",
        "projectType": "ACC",
        "sheets": sheets,
        "folders": [{"name": "Project Files", "items": items}],
    }
    return {"seed": seed, "hubs": [{"name": "Northlight Architects", "projects": [project]}]}
