"""The values of the options that choose sheets and name their files."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from aps_async.sync.naming import NamePattern
from aps_async.sync.selection import Selection


@frozen(kw_only=True, slots=False)  # so that it can be one of two bases
class Choice:
    """What the options of selection and naming were given; the same words as `Selection`, in plain values to store."""

    sheets: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folder: str | None = None
    sheet_set: str | None = None
    collection: str | None = None
    tag: tuple[str, ...] = ()
    since: str | None = None
    """In ISO form."""
    name: str | None = None
    """A name pattern."""

    @property
    def selection(self) -> Selection:
        """As the library takes it."""
        return Selection(
            sheet=self.sheets,
            match=self.match,
            exclude=self.exclude,
            folder=self.folder,
            sheet_set=self.sheet_set,
            collection=self.collection,
            tag=self.tag,
            since=datetime.fromisoformat(self.since) if self.since else None,
        )

    @property
    def pattern(self) -> NamePattern | None:
        """None: files are called as sheets are."""
        return NamePattern(self.name) if self.name else None

    @property
    def words(self) -> str:
        """The restrictions as options, for messages; empty if there are none."""
        given: list[tuple[str, str | Sequence[str] | None]] = [
            ("sheet", self.sheets),
            ("match", self.match),
            ("exclude", self.exclude),
            ("folder", self.folder),
            ("set", self.sheet_set),
            ("collection", self.collection),
            ("tag", self.tag),
            ("since", self.since),
        ]
        found = [(name, [value] if isinstance(value, str) else value) for name, value in given if value]
        return " ".join(f"--{name} {each!r}" for name, values in found for each in values or ())
