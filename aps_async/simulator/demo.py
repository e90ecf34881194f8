"""The account that the simulator serves by default."""

from typing import Any

from .demoacc import cost, tower

# discipline letter, folder, share of the sheets, titles
_DISCIPLINES: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    (
        "A",
        "Architecture",
        5,
        ("General Arrangement", "Reflected Ceiling Plan", "Finish Plan", "Enlarged Plan", "Partition Plan"),
    ),
    ("S", "Structure", 3, ("Framing Plan", "Foundation Plan", "Slab Reinforcement Plan", "Column Schedule Plan")),
    ("M", "MEP", 2, ("Ductwork Plan", "Chilled Water Plan", "Ventilation Plan", "Mechanical Room Plan")),
    ("E", "Electrical", 1, ("Lighting Plan", "Power Plan", "Fire Alarm Plan")),
    ("P", "Plumbing", 1, ("Drainage Plan", "Domestic Water Plan", "Medical Gas Plan")),
)
_LEVELS = ("Ground Floor", "First Floor", "Second Floor", "Third Floor", "Roof", "Basement", "East Wing", "West Wing")
_PACKAGE = 60  # more sheets than this in a discipline are split over subfolders
_USERS = [
    {"id": "BW9RM76WZBGL", "name": "Ada Brandt", "email": "ada@northlight.example"},
    {
        "id": "QX4TM81KLPZA",
        "name": "Guest of the structural engineer",
        "deniedFolders": ["Architecture"],
        "email": "guest@northlight.example",
    },
    {"id": "ZK7HV20CEWRN", "name": "Tower team", "projects": ["Harbour Tower"], "email": "tower@northlight.example"},
]
_WARNINGS = [{"region": "APAC"}]
_SERVICE: dict[str, Any] = {"folderType": "CONTAINER_VIRTUAL", "hidden": True, "actions": [], "visibleTypes": []}


def sheet_number(letter: str, index: int) -> str:
    """A-101 ... A-199, A-201 ..."""
    return f"{letter}-{100 * (1 + index // 99) + 1 + index % 99}"


def _discipline(letter: str, name: str, titles: tuple[str, ...], sheets: int) -> dict[str, Any]:
    def folder(title: str, first: int, stop: int) -> dict[str, Any]:
        source = f"{title.replace(' ', '_')}.pdf"
        items: list[dict[str, Any]] = [{"type": "file", "name": source, "size": 180_000 * max(stop - first, 1)}]
        items += [
            {
                "number": sheet_number(letter, i),
                "title": f"{_LEVELS[(i // len(titles)) % len(_LEVELS)]} {titles[i % len(titles)]}",
                "source": source,
                "versions": 1 + (i % 7 == 3),
            }
            for i in range(first, stop)
        ]
        return {"name": title, "items": items}

    if sheets <= _PACKAGE:
        return folder(name, 0, sheets)
    packages = [
        folder(f"{name} package {1 + first // _PACKAGE}", first, min(first + _PACKAGE, sheets))
        for first in range(0, sheets, _PACKAGE)
    ]
    return {"name": name, "folders": packages}


def _shares(sheets: int) -> list[int]:
    """How many sheets each discipline gets; the sum is exactly `sheets`."""
    total = sum(row[2] for row in _DISCIPLINES)
    ends: list[int] = []
    done = 0
    for row in _DISCIPLINES:
        done += row[2]
        ends.append(sheets * done // total)
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _oddities() -> list[dict[str, Any]]:
    """What a real Plans folder contains beside the sheets, and must not be exported."""
    return [
        {"type": "file", "name": "Coordination_Set.pdf", "size": 4_812_201},
        {"number": "X-901", "title": "Superseded Site Plan", "source": "Coordination_Set.pdf", "hidden": True},
        {
            "number": "X-902",
            "title": "Deleted Detail",
            "source": "Coordination_Set.pdf",
            "deleted": True,
            "hidden": True,
        },
        {"number": "X-903", "title": "Just Uploaded", "source": "Coordination_Set.pdf", "processState": "PROCESSING"},
        {"type": "file", "name": "Site_Model.rvt", "size": 88_000_321},
    ]


def _account(plans: dict[str, Any], seed: int) -> dict[str, Any]:
    service = [
        {"name": "submittals-attachments", **_SERVICE},
        {"name": "f1c6b4a2-1d4e-4a55-9c2e-0f0d5b7a9e11", **_SERVICE},
    ]
    files = {"name": "Project Files", "items": [{"type": "file", "name": "Brief.docx"}]}
    acc_project = tower()
    return {
        "seed": seed,
        "users": _USERS,
        "warnings": _WARNINGS,
        "hubs": [
            {
                "name": "Northlight Architects",
                "projects": [
                    {"name": "Riverside Clinic", "cost": cost("Clinic"), "folders": [plans, files, *service]},
                    {**acc_project, "folders": [*acc_project["folders"], *service]},
                    {"name": "Old Mill Survey", "folders": [{"name": "Project Files"}]},
                    {"name": "Confidential Annex", "forbidden": True, "folders": [{"name": "Plans"}]},
                ],
            }
        ],
    }


def demo(sheets: int, *, seed: int = 0) -> dict[str, Any]:
    """The demo account as a JSON document, with exactly `sheets` exportable sheets."""
    folders = [
        _discipline(letter, name, titles, share)
        for (letter, name, _, titles), share in zip(_DISCIPLINES, _shares(sheets), strict=True)
    ]
    return _account({"name": "Plans", "folders": folders, "items": _oddities()}, seed)


def single_folder(sheets: int, *, seed: int = 0, options: dict[str, Any]) -> dict[str, Any]:
    """One project, one Plans folder, `sheets` sheets in it and nothing else."""
    items = [{"number": sheet_number("A", i), "title": f"Plan {i + 1}", **options} for i in range(sheets)]
    plans = {"name": "Plans", "items": items}
    hub = {"name": "Northlight Architects", "projects": [{"name": "Riverside Clinic", "folders": [plans]}]}
    return {"seed": seed, "hubs": [hub]}


def demo_with_pdf(pages: int, name: str, size: int, *, seed: int = 0) -> dict[str, Any]:
    """The demo account whose only sheets are the pages of one uploaded PDF."""
    stem = name.rpartition(".")[0] or name
    items: list[dict[str, Any]] = [{"type": "file", "name": name, "size": size}]
    items += [
        {"number": f"P-{i:03d}", "title": f"{stem} page {i}", "source": name, "page": i} for i in range(1, pages + 1)
    ]
    return _account({"name": "Plans", "items": items}, seed)
