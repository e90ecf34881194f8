"""The command `guide`: the guides that are shipped with the package."""

import sys
from functools import partial
from typing import Annotated, Any

import typer

from aps_async.cli.completion import fitting


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("guide")
    def guide(
        name: Annotated[
            str | None,
            typer.Argument(metavar="NAME", autocompletion=complete_guide, help="A guide; without it, list all."),
        ] = None,
    ) -> Any:
        """Show a guide, such as manager, developer or operator. In a pipe or a file it is Markdown."""
        return partial(show, name)


def complete_guide(incomplete: str) -> list[str]:
    """Guides, for completion."""
    return fitting(list(read_guides()), incomplete)


def read_guides() -> dict[str, str]:
    """The text of each guide by its name, in the order of `llms.txt`, which lists them."""
    from importlib.resources import files  # here, since `--help` needs no guide

    folder = files("aps_async") / "guides"
    listed = (folder / "llms.txt").read_text("utf-8")
    texts = {entry.name.removesuffix(".md"): entry for entry in folder.iterdir() if entry.name.endswith(".md")}
    return {
        name: texts[name].read_text("utf-8") for name in sorted(texts, key=lambda name: listed.find(f"({name}.md)"))
    }


async def show(name: str | None) -> int:
    """Prints one guide, or a table of all.

    Raises:
        UsageProblem: there is no guide of this name.
    """
    from aps_async.cli.exit_codes import UsageProblem
    from aps_async.cli.output import print_result, print_status, print_table
    from aps_async.text import did_you_mean

    guides = read_guides()
    if name is None:
        titles = {each: text.partition("\n")[0].removeprefix("# ") for each, text in guides.items()}
        print_table(("GUIDE", "TITLE"), list(titles.items()))
        print_status("to read one: aps-async guide NAME")
        return 0
    text = guides.get(name.lower().removesuffix(".md"))
    if text is None:
        raise UsageProblem(f"there is no guide {name!r}; {did_you_mean(name, guides)}")
    if sys.stdout.isatty():
        _render(text)
    else:
        for line in text.splitlines():
            print_result(line)
    return 0


def _render(text: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(text, hyperlinks=False), width=min(console.width, 110))
