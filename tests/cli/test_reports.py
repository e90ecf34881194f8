"""`report.html`, as the commands leave it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]


def numbers(page: str) -> list[str]:
    """The sheets in the order of the page."""
    return re.findall(r'class="number"[^>]*><bdi>(.*?)</bdi>', page)


def states(page: str) -> list[str]:
    """Their states."""
    return re.findall(r'<tr role="row" id="s\d+" tabindex="-1" class="([^"]*)"', page)


def test_a_sync_leaves_a_report(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("sync", "Riverside", "--match", "[AB]-*", "--out", tmp_path, env=service.env)
    assert f"report: {tmp_path / 'report.html'}\n" in ran.err
    page = (tmp_path / "report.html").read_text("utf-8")
    assert (numbers(page), states(page)) == (["B-1", "B-2", "A-101", "A-102", "A-103"], ["failed"] + ["new"] * 4)
    assert page.count("<img ") == 4
    assert "Riverside" in page
    assert "4 exports" in page or "5 exports" in page
    cli("resume", tmp_path, env=service.env)
    again = (tmp_path / "report.html").read_text("utf-8")
    assert states(again) == ["failed"] + ["unchanged"] * 4


def test_an_export_leaves_a_report_too(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("export", "Riverside", "--sheet", "A-101", "--sheet", "nowhere", "--out", tmp_path, env=service.env)
    assert ran.code == 1
    page = (tmp_path / "report.html").read_text("utf-8")
    assert states(page) == ["failed", "new"]
    assert "nowhere" in page
    assert "Plans/<wbr>Good" in page


def test_nothing_secret_and_nothing_of_this_machine_is_in_it(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    with service.faults({"endpoint": "signed_get", "kind": "expired"}, {"endpoint": "cdn_get", "kind": "expired"}):
        cli("export", "Riverside", "--sheet", "A-102", "--sheet", "B-1", "--out", tmp_path / "mine", env=service.env)
    page = (tmp_path / "mine" / "report.html").read_text("utf-8")
    assert states(page) == ["failed", "failed"]
    for secret in ("Signature=", "X-Amz-", "Policy=", "Bearer", "eyJ", service.env["APS_CLIENT_SECRET"]):
        assert secret not in re.sub(r"base64,[^\"]*", "", page)
    assert str(tmp_path) not in page
    assert "\x1b" not in page
    assert "\x07" not in page


@pytest.mark.parametrize("command", ["sync", "export"])
def test_it_can_be_left_out(cli: Cli, service: Simulation, tmp_path: Path, command: str) -> None:
    options = ("Riverside", "--sheet", "A-101", "--out", tmp_path, "--no-report")
    assert cli(command, *options, env=service.env).code == 0
    assert cli("resume", tmp_path, env=service.env).code == 0
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_cannot_be_written_is_a_warning(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    ran = cli("sync", "Riverside", "--sheet", "A-101", "--out", tmp_path, env=service.env)
    assert ran.code == 0
    assert "warning: the report was not written: " in ran.err


def test_the_demo_leaves_a_report(cli: Cli, tmp_path: Path) -> None:
    ran = cli("demo", "--sheets", "3", "--speed", "100", "--out", tmp_path)
    assert ran.code == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert len(numbers(page)) == page.count("<img ") == 3
