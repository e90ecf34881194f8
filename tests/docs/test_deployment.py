"""The files for systemd and Docker Compose that the guides and the command line show."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # comes with moto

from aps_async.cli.schedules import recipes
from tests.docs.markdown import GUIDES, blocks

[OPERATOR] = [page for page in GUIDES if page.stem == "operator"]
_RECIPE = re.compile(r"^    # (\S+\.(?:service|timer))\n((?:    .*\n)+)", re.MULTILINE)


def shown(title: str) -> str:
    """The text of a file in the operator's guide."""
    [text] = [block.text for block in blocks(OPERATOR) if block.title == title]
    return text


def unit_files() -> dict[str, str]:
    """Every unit that is shown, with a program that exists on this machine."""
    guide = shown("aps-async-worker.service").replace("/opt/aps-async/bin/aps-async", sys.executable)
    found = {name: textwrap.dedent(text) for name, text in _RECIPE.findall(recipes(Path("aps-async.toml")))}
    return found | {"aps-async-worker.service": guide}


def verified(folder: Path, units: dict[str, str]) -> str:
    """What systemd reports about unit files; nothing if they are right."""
    folder.mkdir()
    for name, text in units.items():
        (folder / name).write_text(text, "utf-8")
    done = subprocess.run(  # noqa: S603
        ["systemd-analyze", "verify", "--man=no", *(str(folder / name) for name in units)],  # noqa: S607
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, which is part of systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = unit_files()
    assert set(units) == {"aps-async-worker.service", "aps-async-nightly.service", "aps-async-nightly.timer"}
    assert verified(tmp_path / "right", units) == ""
    wrong = {name: text.replace("Wants=", "Want=").replace("OnCalendar=", "Calendar=") for name, text in units.items()}
    assert verified(tmp_path / "wrong", wrong).count("Unknown key") == 3


# https://github.com/compose-spec/compose-spec/blob/main/spec.md, as far as the guide uses it
_DURATION = r"(\d+(us|ms|s|m|h))+"
_SERVICE: dict[str, type | str] = {
    "image": r"[a-z0-9./-]+:[\w.-]+",
    "command": list,
    "environment": dict,
    "env_file": str,
    "secrets": list,
    "volumes": list,
    "healthcheck": dict,
    "depends_on": dict,
    "deploy": dict,
    "stop_grace_period": _DURATION,
    "restart": r"no|always|on-failure(:\d+)?|unless-stopped",
}
_HEALTHCHECK: dict[str, type | str] = {"test": list, "interval": _DURATION, "timeout": _DURATION, "retries": int}


def wrong_fields(found: dict[str, Any], fields: dict[str, type | str]) -> list[str]:
    """The fields that are unknown, or whose value is not of their type or does not match their pattern."""
    return [
        name
        for name, value in found.items()
        if name not in fields
        or not (
            re.fullmatch(expected, str(value))
            if isinstance(expected := fields[name], str)
            else isinstance(value, expected)
        )
    ]


def problems_of(text: str) -> list[str]:
    """What Docker Compose would reject in a file."""
    file = yaml.safe_load(text)
    services: dict[str, dict[str, Any]] = file["services"]
    found = sorted(set(file) - {"services", "volumes", "secrets"})
    for service in services.values():
        found += wrong_fields(service, _SERVICE)
        found += wrong_fields(service.get("healthcheck", {}), _HEALTHCHECK)
        found += wrong_fields(service.get("deploy", {}), {"replicas": int})
        found += [each for each in service.get("secrets", []) if each not in file.get("secrets", {})]
        volumes = [each.partition(":")[0] for each in service.get("volumes", [])]
        found += [each for each in volumes if not each.startswith((".", "/")) and each not in file.get("volumes", {})]
        for name, how in service.get("depends_on", {}).items():
            waits = how.get("condition") == "service_healthy"
            found += [] if name in services and (not waits or "healthcheck" in services[name]) else [name]
    found += [name for name, secret in file.get("secrets", {}).items() if set(secret) - {"file", "environment"}]
    return found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", None),
        ("stop_grace_period: 60s", "stop_grace_period: 60 seconds", "stop_grace_period"),
        ("restart: on-failure", "restart: on_failure", "restart"),
        ("replicas: 3", "replicas: three", "replicas"),
        ("env_file:", "envfile:", "envfile"),
        ("secrets: [database]", "secrets: [password]", "password"),
        ("database:/var", "data:/var", "data"),
        ("      database: { condition", "      postgres: { condition", "postgres"),
        ("healthcheck:", "health:", "health"),
    ],
)
def test_docker_compose_would_accept_the_file(old: str, new: str, problem: str | None) -> None:
    text = shown("compose.yaml")
    assert old in text
    found = problems_of(text.replace(old, new, 1))
    assert (problem in found) if problem else found == []
