"""`SyncOptions`: how a folder is made to agree with a project."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from attrs import field, frozen
from attrs.converters import optional

from aps_async.errors import InputError
from aps_async.models import ExportOptions, Project
from aps_async.resources import bim360, files
from aps_async.session import Session
from aps_async.sync.joined import checked_pdf
from aps_async.sync.naming import NamePattern
from aps_async.sync.selection import Selection

__all__ = ["DEFAULT_PATTERN", "SyncOptions"]
__dir__: object = __all__.copy

DEFAULT_PATTERN = NamePattern("{number} - {title}")


def _pattern(value: NamePattern | str) -> NamePattern:
    return value if isinstance(value, NamePattern) else NamePattern(value)


@frozen(kw_only=True)
class SyncOptions:
    """How a folder is made to agree with a project.

    Raises:
        InputError: a value has the wrong type.
    """

    options: ExportOptions = field(factory=ExportOptions)
    """What goes onto the pages; nothing by default."""
    selection: Selection = field(factory=Selection)
    """Which sheets to export. Other sheets in the folder are left alone."""
    pattern: NamePattern = field(default=DEFAULT_PATTERN, converter=_pattern)
    """How files are named, as a `NamePattern` or a string. If it differs from last time, files are renamed, and not
    exported again."""
    superseded: Literal["keep", "drop"] = "keep"
    """What happens to an older version's file: `keep` moves it to the folder `superseded`, `drop` removes it."""
    prune: bool = False
    """Whether files of withdrawn sheets are moved to `superseded`; otherwise they stay, and every run reports them."""
    max_prune: int | None = None
    """How many withdrawn sheets one run may move; None: a tenth of the set, and at least 10."""
    refresh: timedelta | None = None
    """Export sheets again whose export is older than this, because markups change without a new version."""
    verify: bool = False
    """Read every file to compare its hash, and request every number and title. Otherwise a file counts as unchanged if
    its size, times and inode are the same, and numbers and titles are taken from the ledger for a day if nothing was
    modified."""
    user_id: str | None = None
    """The user that jobs run as; ACC requires one with two-legged tokens."""
    again: bool = False
    """Whether the ledger was opened with `again`; only changes the reason in reports."""
    merge: Path | None = field(default=None, converter=optional(checked_pdf))
    """A PDF to join the sheets into, in the order of their numbers; see `JoinedSet`. Needs the extra `pdf`."""
    batch: int | None = None
    """ACC: maximum number of sheets in one job, see `export_many`. None: 1, or 1,000 with `merge`."""

    def __attrs_post_init__(self) -> None:
        for name, value, kind, example in (
            ("options", self.options, ExportOptions, "ExportOptions(markups=True)"),
            ("selection", self.selection, Selection, "Selection(match='A-1*')"),
            ("refresh", self.refresh, timedelta | None, "timedelta(days=7)"),
        ):
            if not isinstance(value, kind):
                raise InputError(f"{name} must be a value such as {example}, not {value!r}")
        if self.superseded not in ("keep", "drop"):
            raise InputError(f"superseded must be 'keep' or 'drop', not {self.superseded!r}")

    def check(self, session: Session, project: Project) -> None:
        """Checks that these options can be used with a project.

        Raises:
            AuthError: the token is of the wrong kind.
            InputError: the selection, the pattern or an option is not for this kind of project, or ACC needs a user.
        """
        if project.is_acc:
            session.check_user(files.SERVICE.start, self.user_id)
        else:
            bim360.check_options(self.options)
        self.selection.check(project)
        self.pattern.check(project)
