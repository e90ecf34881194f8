"""The help of each command: its group, and one example with names of the demo world."""

from functools import partial
from inspect import getdoc
from typing import Any

import typer

from aps_async.cli.help_pages import help_page, parameters

GROUPS = {
    "Try it": {
        "demo": "demo --sheets 40 --out plans",
        "simulate": "simulate --speed 20",
        "guide": "guide manager",
    },
    "Find": {
        "projects": "projects",
        "sheets": "sheets 'Riverside Clinic' --match 'A-*'",
        "collections": "collections 'Riverside Clinic'",
        "sets": "sets 'Riverside Clinic'",
        "files": "files 'Riverside Clinic' --folder Plans",
        "cost": "cost 'Riverside Clinic' --type Budget",
    },
    "Export": {
        "sync": "sync 'Riverside Clinic' --out plans --name '{discipline}/{number} - {title}'",
        "export": "export 'Riverside Clinic' --out plans --sheet A-101 --markups",
        "resume": "resume plans",
        "status": "status plans",
        "register": "register plans --csv",
        "run": "run nightly",
        "cost-documents": "cost-documents 'Riverside Clinic' --out contracts --type Budget --id UUID",
        "download": "download URN --out model.rvt --project 'Riverside Clinic'",
    },
    "Account": {
        "login": "login --client-id ID --no-browser",
        "logout": "logout",
        "whoami": "whoami --json",
        "doctor": "doctor --out plans",
    },
    "Workers on several machines": {
        "worker": "worker --out s3://plans/pdf --until-done",
        "enqueue": "enqueue 'Riverside Clinic'",
        "cancel": "cancel 12",
        "priority": "priority 12 5",
        "dead-letters": "dead-letters 12",
    },
}


def complete_help(app: typer.Typer) -> None:
    """Puts each command into its group, with its example below its options, and the groups into this order."""
    commands = {str(each.name or getattr(each.callback, "__name__", "")): each for each in app.registered_commands}
    for group, examples in GROUPS.items():
        for name, example in examples.items():
            command = commands[name]
            command.rich_help_panel = group
            command.epilog = f"Example: aps-async {example}"
            command.help = "\n\n".join(
                " ".join(each.split()) for each in (getdoc(command.callback) or "").split("\n\n")
            )
    app.registered_commands.sort(key=[command for each in GROUPS.values() for command in map(commands.get, each)].index)


def with_help_pages(parser: Any) -> Any:
    """The same parser, whose help is ours and names no types: the names of the values say what they are."""
    for command in (parser, *parser.commands.values()):
        command.get_help = partial(help_page, command)
        for each in parameters(command):
            if each.param_type_name == "argument":
                each.display_type_rich = _no_type
            elif getattr(each, "is_flag", False) or getattr(each, "count", False):
                each.metavar = ""
    return parser


def _no_type(**_: object) -> None:
    return None
