"""`aps-async simulate` alone, driven by curl, as a program in another language would use it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.support import Ran, Simulation, simulation

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not installed")


class Curl:
    """Calls of one program, with the token it was given."""

    def __init__(self, service: Simulation) -> None:
        self.base = service.url
        self.token = ""

    def __call__(self, *argv: str) -> bytes:
        command = [str(CURL), "--silent", "--show-error", "--fail-with-body", "--globoff", *argv]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)  # noqa: S603
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def json(self, path: str, *argv: str) -> Any:
        return json.loads(self(f"{self.base}{path}", *argv, *self.authorization()))

    def authorization(self) -> tuple[str, ...]:
        return ("--header", f"Authorization: Bearer {self.token}") if self.token else ()

    def sign_in(self, service: Simulation, scope: str) -> None:
        """A token by client credentials."""
        self.token = ""
        client = f"{service.env['APS_CLIENT_ID']}:{service.env['APS_CLIENT_SECRET']}"
        form = ("--data-urlencode", "grant_type=client_credentials", "--data-urlencode", f"scope={scope}")
        self.token = self.json("/authentication/v2/token", "--user", client, *form)["access_token"]

    def post(self, path: str, body: Any, *argv: str) -> tuple[int, Any]:
        """Status and document."""
        sent = ("--header", "Content-Type: application/json", "--data", json.dumps(body))
        out = self(f"{self.base}{path}", *sent, *argv, *self.authorization(), "--write-out", "\n%{http_code}")
        text, _, status = out.decode().rpartition("\n")
        return int(status), json.loads(text)

    def poll(self, path: str, *running: str) -> Any:
        """The document once its status is no longer one of `running`."""
        for _ in range(20):
            document = self.json(path)
            if document["status"] not in running:
                return document
        raise AssertionError(document)


def project_of(curl: Curl, name: str) -> tuple[str, str]:
    """Hub and project ids."""
    hub = curl.json("/project/v1/hubs")["data"][0]["id"]
    projects = curl.json(f"/project/v1/hubs/{hub}/projects")["data"]
    return hub, next(one["id"] for one in projects if one["attributes"]["name"] == name)


def test_a_bim360_sheet_from_token_to_pdf(tmp_path: Path) -> None:
    file = tmp_path / "switches.json"
    file.write_text('{"job_time": {"polls": 2}, "post_status": 201}')
    with simulation("--sheets", "3", "--behaviour", str(file), "--set", "post_status=200") as service:
        curl = Curl(service)
        curl.sign_in(service, "data:read")
        hub, project = project_of(curl, "Riverside Clinic")
        waiting = [one["id"] for one in curl.json(f"/project/v1/hubs/{hub}/projects/{project}/topFolders")["data"]]
        sheets = []
        while waiting:
            contents = curl.json(f"/data/v1/projects/{project}/folders/{quote(waiting.pop(), safe='')}/contents")
            waiting += [one["id"] for one in contents["data"] if one["type"] == "folders"]
            for version in contents.get("included", []):
                extension = version["attributes"]["extension"]
                done = extension["data"].get("processState") == "PROCESSING_COMPLETE"
                if extension["type"] == "versions:autodesk.bim360:Document" and done:
                    sheets.append(version["id"])
        assert len(sheets) == 3
        exports = f"/bim360/docs/v1/projects/{project[2:]}/versions/{quote(sheets[0], safe='')}/exports"
        status, job = curl.post(exports, {"includeMarkups": True})
        assert (status, job["status"]) == (200, "committed"), "--set counts more than the file"
        done = curl.poll(f"{exports}/{job['id']}", "committed")
        assert done["status"] == "completed"
        assert service.control("counts")["jobs"][job["id"]]["polls"] == 2
        pdf = curl(done["data"]["signedUrl"])
        assert pdf.startswith(b"%PDF-")


def test_acc_sheets_from_token_to_pdf() -> None:
    with simulation("--set", 'job_time={"polls": 1}', "--set", "acc_result_place=result") as service:
        curl = Curl(service)
        curl.sign_in(service, "data:read data:write")
        _, project = project_of(curl, "Harbour Tower")
        listing = f"/construction/sheets/v1/projects/{project}/sheets?currentOnly=true"
        pages = [curl.json(listing), curl.json(f"{listing}&collectionId=*")]  # ungrouped sheets, and those of all
        ids = list(dict.fromkeys(sheet["id"] for page in pages for sheet in page["results"]))
        assert len(ids) == 14
        user = ("--header", "x-user-id: BW9RM76WZBGL")
        exports = f"/construction/sheets/v1/projects/{project}/exports"
        status, job = curl.post(exports, {"sheets": ids[:2]}, *user)
        assert (status, job["status"]) == (202, "processing")
        done = curl.json(f"{exports}/{job['id']}", *user)
        assert done["status"] == "successful"
        assert curl(done["result"]["signedUrl"]).startswith(b"%PDF-"), "acc_result_place was set from outside"
        status, switches = curl.post("/simulator/behaviour", {"acc_result_place": "output"})
        assert (status, switches["acc_result_place"]) == (200, "output")
        assert "signedUrl" in curl.json(f"{exports}/{job['id']}", *user)["result"]["output"]


def test_the_list_of_switches(cli: Callable[..., Ran]) -> None:
    ran = cli("simulate", "--help-behaviour")
    assert ran.code == 0
    assert "  post_status = 202\n" in ran.out
    assert "No documentation confirms these" in ran.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--set", "post_staus=200"), "there is no switch 'post_staus'; did you mean 'post_status'?"),
        (("--set", "post_status"), "'post_status' must have the form NAME=VALUE"),
        (("--set", "post_status=yes"), 'post_status must be 200, 201 or 202, not "yes"'),
        (("--set", 'quota_overrides={"hubz": 1}'), "there is no endpoint 'hubz'"),
        (("--behaviour", "missing.json"), "missing.json: cannot be read"),
    ],
)
def test_wrong_switches_end_it_with_one_line(cli: Callable[..., Ran], argv: tuple[str, ...], message: str) -> None:
    ran = cli("simulate", *argv)
    assert ran.code == 4
    assert message in ran.err
    assert "--help-behaviour" in ran.err
    assert len(ran.err.splitlines()) == 1
