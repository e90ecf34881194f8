"""What the end of a run remarks on: files with a number in their names, and sheets that were not looked at."""

from attrs import define, field

from aps_async.cli.ending import alike, named
from aps_async.cli.output import is_quiet, print_progress, print_prose
from aps_async.sync.listing import OUTSIDE
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.text import count


@define
class Remarks:
    """What is worth a line at the end of a run, although nothing failed."""

    numbered: list[str] = field(factory=list[str])
    """Files with a number in their names, since other sheets are called the same."""
    not_looked_at: dict[str, tuple[str, list[str]]] = field(factory=dict[str, tuple[str, list[str]]])
    """Reasons and the sheets they apply to, by the words that equal reasons share."""

    def add(self, outcome: SyncOutcome) -> None:
        """Keeps what is worth a remark: not that a sheet is outside the selection, as asked for, nor an old number."""
        if outcome.is_numbered and outcome.file and outcome.state is not SheetState.UNCHANGED:
            self.numbered.append(outcome.file)
        if outcome.state is SheetState.NOT_LOOKED_AT and outcome.reason and outcome.reason != OUTSIDE:
            group = self.not_looked_at.setdefault(alike(outcome.reason), (outcome.reason, []))
            group[1].append(outcome.number or outcome.name)

    def lines(self) -> list[str]:
        """One line for each."""
        found = [
            f"{len(names):,} {SheetState.NOT_LOOKED_AT} ({reason}): {_in_order(names)}"
            for reason, names in self.not_looked_at.values()
        ]
        if self.numbered:
            files = count(len(self.numbered), "file")
            found.append(f"{files} numbered, since several sheets have the same name: {_in_order(self.numbered)}")
        return found

    def show(self, project: str = "") -> None:
        """Prints the lines, unless only what went wrong is to be shown."""
        show = print_progress if is_quiet() else print_prose
        for line in self.lines():
            show(f"{project}: {line}" if project else line)


def _in_order(names: list[str]) -> str:
    """The names in an order that does not depend on which export was done first."""
    return named(sorted(names, key=str.casefold))
