"""The web address of a folder or file in place of a project: that folder or file is meant, and never all of it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.support import Ran, Simulation, simulation

Cli = Callable[..., Ran]

BIM, ACC = "6f1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5", "711bd454-0080-5ea0-b92e-b5f7441edfec"
CORE = "urn:adsk.wipprod:fs.folder:co.CoreFolder000000000000"
SPECS = "urn:adsk.wipprod:fs.folder:co.SpecsFolder00000000000"
ITEM = "urn:adsk.wipprod:dm.lineage:GoodSheetOneHundredOne0"
SHEET = "urn:adsk.wipprod:fs.file:vf.GoodSheetOneHundredOne0?version=1"
FILE = "urn:adsk.wipprod:dm.lineage:SpecsFileOneHundredOne0"
WORLD: dict[str, Any] = {
    "users": [{"id": "ADA", "name": "Ada"}],
    "hubs": [
        {
            "projects": [
                {"name": "Clinic", "id": BIM, "folders": [
                    {"name": "Plans", "items": [{"number": "A-101"}, {"number": "A-102"}],
                     "folders": [{"name": "Core", "id": CORE, "items": [
                         {"number": "C-1", "id": ITEM, "versions": [SHEET]}, {"number": "C-2"}]}]}]},
                {"name": "Tower", "id": ACC, "projectType": "ACC",
                 "sheets": [{"number": "T-1", "versionSet": "Issued"}],
                 "folders": [{"name": "Project Files", "items": [{"type": "file", "name": "F-1.pdf"}], "folders": [
                     {"name": "Specs", "id": SPECS, "items": [{"type": "file", "name": "S-1.pdf", "id": FILE}]}]}]},
            ]
        }
    ],
}  # fmt: skip
OLD = f"https://docs.b360.autodesk.com/projects/{BIM}/folders/{quote(CORE, safe='')}/detail"
NEW = f"https://acc.autodesk.com/docs/files/projects/{BIM}?folderUrn={quote(CORE, safe='')}&viewModel=detail"
ONE = f"{OLD}/viewer/items/{quote(SHEET, safe='')}"
TOWER = f"https://acc.autodesk.com/docs/files/projects/{ACC}"
IN_TOWER = f"{TOWER}?folderUrn={quote(SPECS, safe='')}"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    world = tmp_path_factory.mktemp("world") / "world.json"
    world.write_text(json.dumps(WORLD), "utf-8")
    with simulation("--world", str(world), "--speed", "100") as running:
        yield running


@pytest.mark.parametrize(
    ("address", "options", "numbers"),
    [
        (OLD, (), ["C-1", "C-2"]),
        (NEW, (), ["C-1", "C-2"]),
        (f"{NEW}&entityId={quote(ITEM, safe='')}", (), ["C-1"]),
        (ONE, (), ["C-1"]),
        (OLD, ("--match", "*-2"), ["C-2"]),
        (f"https://docs.b360.autodesk.com/projects/{BIM}/folders", (), ["A-101", "A-102", "C-1", "C-2"]),
        (f"https://acc.autodesk.com/build/sheets/projects/{ACC}", ("--set", "Issued"), ["T-1"]),
    ],
)
def test_only_what_the_address_shows(
    cli: Cli, account: Simulation, tmp_path: Path, address: str, options: tuple[str, ...], numbers: list[str]
) -> None:
    env = {**account.env, "APS_USER_ID": "ADA"}
    ran = cli("sheets", address, *options, "--json", env=env)
    assert sorted(each["number"] for each in json.loads(ran.out)) == numbers, ran.err
    for command in ("export", "sync"):
        ran = cli(command, address, *options, "--out", tmp_path / command, "--no-report", env=env)
        assert ran.code == 0, ran.err
        found = sorted(path.name.partition(" ")[0].removesuffix(".pdf") for path in tmp_path.glob(f"{command}/*.pdf"))
        assert found == numbers, command


def test_files_of_the_folder_that_the_address_shows(cli: Cli, account: Simulation, tmp_path: Path) -> None:
    env = {**account.env, "APS_USER_ID": "ADA"}
    ran = cli("files", IN_TOWER, "--json", env=env)
    assert [each["path"].rpartition("/")[2] for each in json.loads(ran.out)] == ["Specs", "S-1.pdf"], ran.err
    ran = cli("export", IN_TOWER, "--files", "--out", tmp_path, env=env)
    exported = [path.name for path in tmp_path.glob("Tower*")]
    assert (ran.code, exported) == (0, ["Tower files.pdf"]), f"two files would be a ZIP: {ran.err}"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("sheets", OLD, "--folder", "Plans"), 2, "--folder chooses something else"),
        (("sheets", OLD, "--set", "Issued"), 2, "--set chooses something else"),
        (("sheets", ONE, "--match", "A-*"), 2, "--match chooses something else"),
        (("sheets", ONE, "--sheet", "A-101"), 2, "--sheet chooses something else"),
        (("files", ONE), 2, "takes folders"),
        (("export", f"{IN_TOWER}&entityId={FILE}", "--files", "--out", "OUT"), 2, "takes folders"),
        (("sync", OLD, "Tower", "--out", "OUT"), 4, "not of a whole project"),
        (("sheets", IN_TOWER), 4, "is a folder of files"),
        (("export", IN_TOWER, "--out", "OUT"), 4, "is a folder of files"),
        *(
            (
                command,
                4,
                f"{FILE} is a file, and ACC (Forma) keeps sheets apart from files: choose a sheet by its number",
            )
            for command in (
                ("sheets", f"{IN_TOWER}&entityId={FILE}"),
                ("export", f"{IN_TOWER}&entityId={FILE}", "--out", "OUT"),
                ("export", "Tower", "--sheet", "T-1", "--sheet", quote(FILE), "--out", "OUT"),
                ("sync", f"{IN_TOWER}&entityId={FILE}", "--out", "OUT"),
            )
        ),
        (("sheets", f"{IN_TOWER}&entityId={FILE}"), 4, f"'aps-async download {FILE} --project {ACC}' fetches the file"),
        (("sheets", f"https://acc.autodesk.com/build/sheets/projects/{ACC}/sheets/{BIM}"), 4, "neither a folder nor"),
    ],
)
def test_what_an_address_cannot_mean_is_refused(
    cli: Cli, account: Simulation, tmp_path: Path, argv: tuple[str, ...], code: int, words: str
) -> None:
    out = tmp_path / "out"
    given = [str(out) if each == "OUT" else each for each in argv]
    ran = cli(*given, env={**account.env, "APS_USER_ID": "ADA"})
    assert ran.code == code, ran.err
    assert words in ran.err
    assert not list(out.rglob("*.pdf"))


def test_the_command_that_the_message_about_a_file_names_fetches_it(
    cli: Cli, account: Simulation, tmp_path: Path
) -> None:
    env = {**account.env, "APS_USER_ID": "ADA"}
    [command] = re.findall("'aps-async (download [^']+)'", cli("sheets", f"{IN_TOWER}&entityId={FILE}", env=env).err)
    ran = cli(*command.split(), "--out", tmp_path / "S-1.pdf", env=env)
    assert ran.code == 0, ran.err
    assert (tmp_path / "S-1.pdf").stat().st_size > 0
