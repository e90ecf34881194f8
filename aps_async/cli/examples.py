"""One example for the help of each command, with names of the demo world."""

import typer

EXAMPLES = {
    "demo": "demo --sheets 40 --out plans",
    "simulate": "simulate --speed 20",
    "projects": "projects",
    "sheets": "sheets 'Riverside Clinic' --match 'A-*'",
    "collections": "collections 'Riverside Clinic'",
    "sets": "sets 'Riverside Clinic'",
    "files": "files 'Riverside Clinic' --folder Plans",
    "cost": "cost 'Riverside Clinic' --type Budget",
    "sync": "sync 'Riverside Clinic' --out plans --name '{discipline}/{number} - {title}'",
    "register": "register plans --csv",
    "export": "export 'Riverside Clinic' --out plans --sheet A-101 --markups",
    "cost-documents": "cost-documents 'Riverside Clinic' --out contracts --type Budget --id UUID",
    "download": "download URN --out model.rvt --project 'Riverside Clinic'",
    "status": "status plans",
    "resume": "resume plans",
    "run": "run nightly",
    "login": "login --client-id ID --no-browser",
    "logout": "logout",
    "whoami": "whoami --json",
    "doctor": "doctor --out plans",
    "worker": "worker --out s3://plans/pdf --until-done",
    "enqueue": "enqueue 'Riverside Clinic'",
    "cancel": "cancel 12",
    "priority": "priority 12 5",
    "dead-letters": "dead-letters 12",
    "guide": "guide manager",
}


def add_examples(app: typer.Typer) -> None:
    """Puts each example below the options of its command."""
    for command in app.registered_commands:
        name = str(command.name or getattr(command.callback, "__name__", ""))
        if command.epilog is None and (example := EXAMPLES.get(name)):
            command.epilog = f"Example: aps-async {example}"
