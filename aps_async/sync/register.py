"""`register.csv` and `register.json`: the sheets in a folder, written by every run for people and other programs.

`register.schema.json` beside this module describes the JSON file.
"""

import asyncio
import csv
import json
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from itertools import chain
from operator import attrgetter
from typing import Any

from attrs import asdict, define, field, fields, frozen

from aps_async.downloads.filenames import checked_relative
from aps_async.errors import DiskFullError, RegisterError, TargetError
from aps_async.ids import bare_id
from aps_async.ledger.journal import KnownFile
from aps_async.ledger.places import Place
from aps_async.ledger.sheets import KnownSheet
from aps_async.models import ExportOptions, Project
from aps_async.spool import Spool
from aps_async.sync.json_files import read_json_file
from aps_async.sync.outcomes import SyncOutcome
from aps_async.transport.converter import to_dict

__all__ = [
    "FORM",
    "REGISTER_CSV",
    "REGISTER_JSON",
    "Register",
    "RegisterRow",
    "RegisterWriter",
    "as_csv",
    "options_in_words",
    "read_register",
    "schema",
]
__dir__: object = __all__.copy

REGISTER_CSV = "register.csv"
REGISTER_JSON = "register.json"
FORM = 1
"""Version of `register.json`, raised by changes that older readers would misunderstand."""
_LARGEST = 256 << 20
_FORMULA = frozenset("=+-@")
_BREAKS = frozenset("\t\r\n")


@frozen(kw_only=True)
class RegisterRow:
    """One sheet of a folder."""

    number: str = ""
    title: str = ""
    name: str = ""
    """Number and title; or a file name or an id if these are not known."""
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
    """The export options that were on, such as `markups`."""
    exported_at: str | None = None
    """ISO 8601, in UTC."""
    source: str = ""
    """BIM 360: the version URN. ACC: the UUID of the sheet."""
    file_source: str | None = None
    """The id that the file was exported from: that of an older version if `source` could not be exported."""


@frozen(kw_only=True)
class Register:
    """The content of `register.json`."""

    form: int
    project: str
    project_id: str
    """Without the `b.` prefix."""
    written_at: str
    """ISO 8601, in UTC."""
    sheets: tuple[RegisterRow, ...] = field(factory=tuple)


@define(eq=False)
class RegisterWriter:
    """Collects the rows of a register during a run, on disk if they are many, and writes it."""

    project: Project
    """The project that the folder is compared with."""
    _rows: Spool = field(factory=Spool, init=False)
    """One entry for each sheet: its line of `register.json`, a line break, and its line of `register.csv`."""

    def add(self, outcome: SyncOutcome, *known: KnownSheet | None) -> None:
        """Adds a sheet.

        Args:
            outcome: the outcome of the sheet.
            known: what the ledger has of the sheet after its export; the one that has its file is used.
        """
        files = ((each, file) for each in known if each is not None for file in each.in_place)
        row = _row(self.project, outcome, *next((pair for pair in files if pair[1].name == outcome.file), (None, None)))
        key = row.collection or "", row.folder, row.number, row.name
        self._rows.add(key, f"{_in_json(to_dict(row))}\n{_csv_line(row)}")

    async def write(self, place: Place, now: datetime) -> RegisterError | None:
        """Writes both files, each in one step.

        Args:
            place: where the files of the ledger are.
            now: the time of writing.

        Returns:
            The error of the CSV file, which may be open in a spreadsheet; the JSON file has everything that it has.

        Raises:
            DiskFullError: there is no space for one.
            RegisterError: the JSON file cannot be written for another reason; the CSV file is, where that is possible.
        """
        register = Register(
            form=FORM,
            project=self.project.name,
            project_id=bare_id(self.project.id),
            written_at=now.isoformat(timespec="seconds"),
        )
        head = f"\ufeff{_HEAD}"  # spreadsheets recognize UTF-8 by this mark
        lines = chain([head], (row.partition("\n")[2] for row in self._rows))
        contents = {
            REGISTER_JSON: _as_json(register, (row.partition("\n")[0] for row in self._rows)),
            REGISTER_CSV: (line.encode() for line in lines),
        }
        problems: dict[str, TargetError] = {}
        for name, content in contents.items():
            try:
                await place.write(name, content)
            except DiskFullError:
                raise
            except TargetError as problem:  # such as a spreadsheet that has the file open, on Windows
                problems[name] = problem
        if not problems:
            return None
        words = "; ".join(map(str, problems.values()))
        error = RegisterError(f"all else is done: {words}. If another program has it open, close it; then run it again")
        if REGISTER_JSON in problems:
            raise error
        return error


def _row(project: Project, outcome: SyncOutcome, known: KnownSheet | None, found: KnownFile | None) -> RegisterRow:
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
        file=outcome.file,
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
    """The names of the options that are on."""
    return tuple(name for name, value in asdict(options).items() if value is True)


def _as_json(head: Register, rows: Iterable[str]) -> Iterator[bytes]:
    """JSON with one line for each sheet: readable, and faster than indented JSON."""
    opened = json.dumps(to_dict(head), ensure_ascii=False, indent=1).removesuffix("\n}")
    yield f'{opened},\n "sheets": ['.encode()
    for at, row in enumerate(rows):
        yield f"{',' if at else ''}\n{row}".encode()
    yield b"\n]}\n"


def as_csv(rows: Iterable[RegisterRow]) -> Iterator[str]:
    """The lines of a CSV file with a header. A text that a spreadsheet would take for a formula gets the prefix `'`."""
    yield _HEAD
    yield from map(_csv_line, rows)


_in_json = json.JSONEncoder(ensure_ascii=False).encode


class _Echo:
    def write(self, line: str) -> str:
        return line


_in_csv = csv.writer(_Echo(), lineterminator="\r\n").writerow  # returns what `_Echo.write` returns
_COLUMNS = tuple(each.name for each in fields(RegisterRow))
_HEAD: str = _in_csv(_COLUMNS)
_values = attrgetter(*_COLUMNS)
_OPTIONS = _COLUMNS.index("options")


def _csv_line(row: RegisterRow) -> str:
    values = list[Any](_values(row))
    values[_OPTIONS] = " ".join(row.options)
    found: str = _in_csv([f"'{each}" if each.__class__ is str and _may_be_formula(each) else each for each in values])
    return found


def _may_be_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for a formula: some skip spaces and read wide characters as plain ones."""
    first = text[:1]
    if not first or first.isalnum():
        return False
    visible = (each for each in text if unicodedata.category(each)[0] not in "CZ")
    return first in _BREAKS or unicodedata.normalize("NFKC", next(visible, ""))[:1] in _FORMULA


_WRITTEN_AGAIN = "run the sync again to have it written"


async def read_register(place: Place, *, remedy: str = _WRITTEN_AGAIN) -> Register | None:
    """Reads `register.json`, and checks its file names, since anybody may have written it. None if there is none.

    Args:
        place: where it is.
        remedy: what to do if it cannot be used.

    Raises:
        LedgerError: it cannot be used.
        TargetError: it cannot be read.
    """
    path, content = place.location(REGISTER_JSON), await place.read(REGISTER_JSON, _LARGEST)
    return None if content is None else await asyncio.to_thread(_parsed, content, path, remedy)


def _parsed(content: bytes, path: str, remedy: str) -> Register:
    return read_json_file(content, Register, path=path, form=FORM, check=_check_files, advice=remedy)


def _check_files(register: Register) -> None:
    for row in register.sheets:
        if row.file is not None:
            checked_relative(row.file)


def schema() -> dict[str, Any]:
    """The JSON Schema of `register.json`."""
    found: dict[str, Any] = json.loads(files("aps_async.sync").joinpath("register.schema.json").read_text("utf-8"))
    return found
