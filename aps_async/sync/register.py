"""`register.csv` and `register.json`: what is in a folder, written by every run, for people and for other programs.

`register.schema.json` beside this module describes the JSON file.
"""

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, cast

from attrs import asdict, evolve, field, fields, frozen

from aps_async.downloads.filenames import checked_relative
from aps_async.errors import DecodeError, InputError, LedgerError
from aps_async.ids import bare_id
from aps_async.ledger.places import Place
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import ExportOptions, Project
from aps_async.sync.outcomes import SyncOutcome
from aps_async.text import well_formed
from aps_async.transport.converter import structure, to_dict

__all__ = [
    "FORM",
    "REGISTER_CSV",
    "REGISTER_JSON",
    "Register",
    "RegisterRow",
    "as_csv",
    "options_in_words",
    "read_register",
    "register_of",
    "schema",
    "write_register",
]
__dir__: object = __all__.copy

REGISTER_CSV = "register.csv"
REGISTER_JSON = "register.json"
FORM = 1
"""Of `register.json`; a change that older readers would misunderstand gets another number."""
_LARGEST = 256 << 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@frozen(kw_only=True)
class RegisterRow:
    """One sheet of a folder."""

    number: str = ""
    title: str = ""
    name: str = ""
    """Number and title, or what else the sheet is known by."""
    version: str | None = None
    """BIM 360: the version's number. ACC: the version set."""
    set: str | None = None
    """ACC: the version set."""
    folder: str = ""
    """BIM 360: the folder in the project."""
    collection: str | None = None
    collection_id: str | None = None
    """ACC: UUID; None: ungrouped."""
    file: str | None = None
    """Relative to the folder, with `/`; None if there is no file."""
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    """Hexadecimal."""
    state: str
    """See `SheetState`."""
    reason: str | None = None
    options: tuple[str, ...] = ()
    """What is on the pages, such as `markups`."""
    exported_at: str | None = None
    """ISO 8601, in UTC."""
    source: str = ""
    """BIM 360: the version URN. ACC: the UUID of the sheet."""
    file_source: str | None = None
    """What the file was exported from: an older version than `source`, if the newer one could not be exported."""


@frozen(kw_only=True)
class Register:
    """What is in a folder."""

    form: int
    project: str
    project_id: str
    """Without `b.`."""
    written_at: str
    """ISO 8601, in UTC."""
    sheets: tuple[RegisterRow, ...] = field(factory=tuple)


def register_of(
    project: Project,
    outcomes: Iterable[SyncOutcome],
    known: Iterable[KnownSheet],
    now: datetime,
) -> Register:
    """The register after a run.

    Args:
        project: that was compared with the folder.
        outcomes: of all sheets.
        known: what the ledger knows after the run.
        now: the time of writing.
    """
    by_file = {file.name: (each, file) for each in known for file in each.in_place}
    rows = [_row(project, each, by_file) for each in outcomes]
    rows.sort(key=lambda row: (row.collection or "", row.folder, row.number, row.name))
    return Register(
        form=FORM,
        project=project.name,
        project_id=bare_id(project.id),
        written_at=now.isoformat(timespec="seconds"),
        sheets=tuple(rows),
    )


def _row(project: Project, outcome: SyncOutcome, by_file: Any) -> RegisterRow:
    file = outcome.file
    known, found = by_file.get(file, (None, None))
    collection = known.facts.collection if known and known.facts else None
    identity = known.request.identity if known else None
    return RegisterRow(
        number=outcome.number,
        title=outcome.title,
        name=outcome.name,
        version=outcome.version,
        set=outcome.folder if project.is_acc else None,
        folder="" if project.is_acc else outcome.folder,
        collection=collection.name if collection else None,
        collection_id=identity.collection_id if identity else None,
        file=file,
        size=found.size if found else None,
        sha256=found.sha256 if found else None,
        state=str(outcome.state),
        reason=outcome.reason,
        options=options_in_words(known.request.options) if known else (),
        exported_at=outcome.exported_at.isoformat(timespec="seconds") if outcome.exported_at else None,
        source=outcome.id,
        file_source=known.in_place_source if known else None,
    )


@cache
def options_in_words(options: ExportOptions) -> tuple[str, ...]:
    """The page options that are on, by their names."""
    return tuple(name for name, value in asdict(options).items() if value is True)


async def write_register(place: Place, register: Register) -> None:
    """Writes both files, each in one step.

    Raises:
        TargetError: one cannot be written.
    """
    await place.write(REGISTER_JSON, await asyncio.to_thread(_as_json, register))
    await place.write(REGISTER_CSV, await asyncio.to_thread(lambda: as_csv(register).encode("utf-8-sig")))


def _as_json(register: Register) -> bytes:
    """One line for each sheet: readable, and not so slow as indented JSON."""
    head = json.dumps(to_dict(evolve(register, sheets=())), ensure_ascii=False, indent=1).removesuffix("\n}")
    rows = ",\n".join([json.dumps(to_dict(each), ensure_ascii=False) for each in register.sheets])
    return f'{head},\n "sheets": [\n{rows}\n]}}\n'.encode()


def as_csv(register: Register) -> str:
    """The sheets as CSV, with a head. A text that a spreadsheet would take for a formula gets a `'` in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = [each.name for each in fields(RegisterRow)]
    writer.writerow(names)
    for row in register.sheets:
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return out.getvalue()


def _cell(value: object) -> str:
    text = " ".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


async def read_register(place: Place) -> Register | None:
    """Reads `register.json`, which others may have written: names of files are checked. None if there is none.

    Raises:
        LedgerError: it cannot be used.
        TargetError: it cannot be read.
    """
    path, content = place.location(REGISTER_JSON), await place.read(REGISTER_JSON, _LARGEST)
    return None if content is None else await asyncio.to_thread(_parsed, content, path)


def _parsed(content: bytes, path: str) -> Register:
    try:
        plain = json.loads(well_formed(content.decode()))
        if plain["form"] != FORM:
            raise LedgerError(f"{path} is of another form ({plain['form']}) than this version reads ({FORM})")
        register = structure(plain, Register, strict=True)
        _check_files(register.sheets)
    except (ValueError, TypeError, LookupError, RecursionError, DecodeError, InputError) as problem:
        raise LedgerError(f"{path} cannot be used ({problem}): run the sync again to have it written") from None
    return register


def _check_files(rows: Sequence[RegisterRow]) -> None:
    for row in rows:
        if row.file is not None:
            checked_relative(row.file)


def schema() -> dict[str, Any]:
    """The JSON Schema of `register.json`."""
    found: dict[str, Any] = json.loads(files("aps_async.sync").joinpath("register.schema.json").read_text("utf-8"))
    return found
