"""One table of switches: what is observed by default, and what another value changes."""

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import attrs
import pytest

from aps_async.simulator import Behaviour, Fault, JobPolls, JobTime, World
from aps_async.simulator.behaviour import SWITCHES
from tests.simulator.conftest import Client, exports_path
from tests.simulator.test_simulator_logins import HUBS, Browser, account, asked, assertion, exchange, refresh

pytestmark = pytest.mark.looptime

NOBODY = "2f9b9bd1-7f0a-4f43-8ec9-0a1d3b1b8f11"
WORLD = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [
                        {
                            "name": "Plans",
                            "items": [
                                {"number": "A-101"},
                                {"number": "A-102", "fails": True},
                                {"number": "A-103", "processState": "PROCESSING"},
                            ],
                        },
                        {"name": "Project Files", "items": [{"type": "file", "name": "big.pdf", "chunked": True}]},
                    ],
                    "cost": {
                        "templates": [{"id": NOBODY, "name": "Other"}],
                        "budgets": [
                            {
                                "name": "Steel",
                                "documents": [
                                    {"template": "T", "status": "Signed"},
                                    {"template": "T", "status": "Completed"},
                                ],
                            }
                        ],
                        "scos": [{"name": "Piles", "documents": 1}],
                    },
                },
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "versionSets": [
                        {"name": "First", "issuanceDate": "2024-01-01", "collection": "North"},
                        {"name": "Second", "issuanceDate": "2025-01-01"},
                    ],
                    "sheets": [
                        {"number": "T-101", "versionSet": "First", "collection": "North"},
                        {"number": "T-101", "versionSet": "Second"},
                        {"number": "T-102", "versionSet": "Second", "published": False},
                        {"number": "T-103", "versionSet": "Second", "deleted": True},
                        {"number": "T-104", "versionSet": "Second", "never": True},
                    ],
                    "folders": [
                        {
                            "name": "Project Files",
                            "items": [
                                {"type": "file", "name": "plain.pdf"},
                                {"type": "file", "name": "plan.dwg"},
                                {"type": "file", "name": "bad.pdf", "fails": True},
                            ],
                        }
                    ],
                },
            ]
        }
    ]
}


@attrs.define
class Observer:
    """A client and what the observations ask about."""

    client: Client

    @property
    def world(self) -> World:
        return self.client.simulator.world

    def project(self, name: str) -> Any:
        return next(each for each in self.world.projects.values() if each.name == name)

    @property
    def user(self) -> str:
        return next(iter(self.world.users))

    def sheet(self, number: str, place: int = 0) -> str:
        return str([each.id for each in self.project("Tower").sheets if each.number == number][place])

    def version(self, name: str) -> Any:
        return next(each.tip for each in self.world.items.values() if each.name == name)

    async def get(self, path: str, **options: Any) -> Any:
        return await self.client.get(path, **options)

    async def status(self, path: str, **options: Any) -> int:
        return int((await self.get(path, **options)).status)

    # ---------------------------------------------------------------- exports

    async def job(self, sheet: str = "A-101", prefix: str = "") -> Any:
        path = self.client.exports(sheet).replace("/projects/", f"/projects/{prefix}")
        started = await self.client.api("POST", path, json={})
        if started.status >= 400:
            return started
        return await self.get(f"{path}/{started.json['id']}")

    def acc(self, service: str, rest: str) -> str:
        return f"/construction/{service}/v1/projects/{self.project('Tower').id}/{rest}"

    async def start(self, *numbers: str, service: str = "sheets", user: str | None = None, **body: Any) -> Any:
        key = "sheets" if service == "sheets" else "fileVersions"
        ids = [self.sheet(each) if service == "sheets" else self.version(each).id for each in numbers]
        options: Any = {"json": {key: ids, **body}, "user": self.user if user is None else user}
        return await self.client.api("POST", self.acc(service, "exports"), **options)

    async def acc_job(self, *numbers: str, service: str = "sheets", wait: float = 0.0) -> Any:
        started = (await self.start(*numbers, service=service)).json
        await asyncio.sleep(wait)
        return await self.get(self.acc(service, f"exports/{started['id']}"), user=self.user)

    async def sheets(self, query: str) -> Any:
        return await self.get(self.acc("sheets", f"sheets?{query}"))

    # ------------------------------------------------------------------- cost

    async def documents(self, ids: str | None = None, kind: str = "Budget", more: str = "", region: str = "") -> Any:
        self.client.bearer = self.client.simulator.user_token(scopes="data:read data:write")
        path = f"/cost/v1/containers/{self.project('Clinic').id}/documents"
        headers = {"region": region} if region else {}
        asked = f"associationId={ids or self.association('Steel')}&associationType={kind}{more}"
        return await self.get(f"{path}?{asked}", headers=headers)

    def association(self, name: str) -> str:
        found = self.project("Clinic").cost.associations.values()
        return str(next(each.id for each in found if each.name == name))

    async def attached(self, template: str = NOBODY) -> Any:
        self.client.bearer = self.client.simulator.user_token(scopes="data:read data:write")
        body = {
            "type": "Document", "name": "x", "associationId": self.association("Steel"), "associationType": "Budget",
            "templateId": template,
        }  # fmt: skip
        return await self.client.api("POST", f"/cost/v1/containers/{self.project('Clinic').id}/attachments", json=body)

    # ------------------------------------------------------- storage and derivatives

    async def signed(self, name: str = "big.pdf", query: str = "", **headers: str) -> Any:
        bucket, _, key = self.version(name).storage.removeprefix("urn:adsk.objects:os.object:").partition("/")
        path = f"/oss/v2/buckets/{bucket}/objects/{quote(key, safe='')}/signeds3download?{query}"
        return await self.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def derivative(self, tail: str = "", safe: str = "") -> Any:
        data = (await self.job()).json["data"]
        return await self.get(derivative_path(data["versionUrn"], data["resourceId"], safe) + tail)

    async def early(self, tail: str = "") -> int:
        """Of an export that runs: the address is that which it is going to have."""
        data = (await self.job()).json["data"]
        for job in self.client.simulator.jobs.by_id.values():
            job.polls, job.version.item.never = 0, True
        return await self.status(derivative_path(data["versionUrn"], data["resourceId"]) + tail)


def derivative_path(urn: str, resource: str, safe: str = "") -> str:
    return f"/modelderivative/v2/designdata/{urn}/manifest/{quote(resource, safe=safe)}"


Observation = Callable[[Observer], Awaitable[object]]


async def ended_link(on: Observer) -> int:
    first = (await on.job()).json["data"]["signedUrl"]
    await on.job()
    return (await on.client.call("GET", first)).status


async def forgotten(on: Observer) -> int:
    job = (await on.job()).json["id"]
    await asyncio.sleep(20)
    return await on.status(f"{on.client.exports()}/{job}")


async def url_life(on: Observer) -> float:
    job = (await on.acc_job("T-101", wait=60)).json
    expires = float(parse_qs(urlsplit(job["result"]["output"]["signedUrl"]).query)["Expires"][0])
    return round(expires - on.client.simulator.clock(), -1)


async def zip_names(on: Observer) -> list[str]:
    job = (await on.acc_job("plain.pdf", "plan.dwg", service="files")).json
    data = (await on.client.call("GET", job["result"]["output"]["signedUrl"])).body
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


async def batch(on: Observer, *ids: str) -> int:
    return (await on.client.api("POST", on.acc("sheets", "sheets:batch-get"), json={"ids": ids})).status


async def next_url_is_absolute(on: Observer) -> bool:
    page = (await on.sheets("collectionId=*&currentOnly=false&limit=1")).json
    return bool(page["pagination"]["nextUrl"].startswith("http"))


async def id_of_an_attachment_is_listed(on: Observer) -> bool:
    made = (await on.attached()).json["id"]
    return made in [each["id"] for each in (await on.documents()).json]


async def late_file(on: Observer) -> int:
    made = (await on.attached()).json["id"]
    [document] = [each for each in (await on.documents()).json if each["id"] == made]
    project = on.project("Clinic").id
    return await on.status(f"/data/v1/projects/b.{project}/versions/{quote(document['urn'], safe='')}")


async def cdn_with_bearer(on: Observer) -> int:
    answer = await on.derivative("/signedcookies")
    cookies = "; ".join(each.partition(";")[0] for each in answer.headers.getall("Set-Cookie"))
    headers = {"Cookie": cookies, "Authorization": "Bearer x"}
    return (await on.client.call("GET", answer.json["url"], headers=headers)).status


async def old_fallback(on: Observer) -> int:
    url = (await on.signed(query="public-resource-fallback=true")).json["url"]
    await asyncio.sleep(200)
    return (await on.client.call("GET", url)).status


async def sha1_as_etag(on: Observer) -> int:
    sha1 = (await on.signed()).json["sha1"]
    return int((await on.signed(If_None_Match=f'"{sha1}"')).status)


async def range_of_another(on: Observer) -> int:
    link = (await on.job()).json["data"]["signedUrl"]
    return (await on.client.call("GET", link, headers={"Range": "bytes=0-1", "If-Range": '"other"'})).status


async def hubs_after_a_second_use_of_the_code(on: Observer) -> int:
    code = await Browser(on.client).code()
    on.client.bearer = (await exchange(on.client, code)).json["access_token"]
    assert (await exchange(on.client, code)).status == 400
    return await on.status(HUBS)


async def hubs_after_the_refresh_token_is_revoked(on: Observer) -> int:
    tokens = (await exchange(on.client, await Browser(on.client).code())).json
    form = {
        "client_id": "simulator-public", "token": tokens["refresh_token"], "token_type_hint": "refresh_token",
    }  # fmt: skip
    assert (await on.client.call("POST", "/authentication/v2/revoke", data=form)).status == 200
    assert (await refresh(on.client, tokens["refresh_token"])).status == 400
    on.client.bearer = tokens["access_token"]
    return await on.status(HUBS)


async def late_refresh(on: Observer) -> int:
    tokens = (await exchange(on.client, await Browser(on.client).code())).json
    await asyncio.sleep(20)
    return int((await refresh(on.client, tokens["refresh_token"])).status)


async def late_exchange(on: Observer) -> int:
    code = await Browser(on.client).code()
    await asyncio.sleep(10)
    return int((await exchange(on.client, code)).status)


async def second_authorize(on: Observer) -> int:
    browser = Browser(on.client)
    await browser.code()
    return int((await browser.get(asked())).status)


def search_path(on: Observer) -> str:
    plans = on.project("Clinic").folders[0]
    return f"/data/v1/projects/b.{on.project('Clinic').id}/folders/{quote(plans.id, safe='')}/search"


async def projects_of_a_service_account(on: Observer) -> int:
    form = assertion(on.client, *(await account(on.client)))
    on.client.bearer = (await on.client.token(**form)).json["access_token"]
    return len((await on.get(f"{HUBS}/{on.world.hubs[0].id}/projects")).json["data"])


async def third_call(on: Observer) -> int:
    """The first fills the quota, the second is refused, the third comes when the first no longer counts."""
    seen = []
    for wait in (0, 30, 31):
        await asyncio.sleep(wait)
        seen.append(await on.status(HUBS))
    assert seen[:2] == [200, 429]
    return seen[2]


async def call_after_a_fault(on: Observer) -> int:
    on.client.simulator.add_fault(Fault(endpoint="hubs", nth=(1,)))
    assert await on.status(HUBS) == 503
    return await on.status(HUBS)


async def status_of(answer: Awaitable[Any]) -> int:
    return int((await answer).status)


async def count_of(answer: Awaitable[Any]) -> int:
    body = (await answer).json
    return len(body["results"] if isinstance(body, dict) else body)


async def word_of(answer: Awaitable[Any], name: str) -> Any:
    return (await answer).json.get(name)


def asset_flags(on: Observer) -> Awaitable[Any]:
    return on.start("T-101", options={"assetMarkups": {"includeMarkups": "no flag"}})


LIMITS: dict[str, Any] = {"quota_overrides": {"hubs": 1}}
TABLE: list[tuple[str, Any, Observation, object, object, dict[str, Any]]] = [
    ("project_prefix_refused", False, lambda on: status_of(on.job(prefix="b.")), 400, 200, {}),
    ("new_url_ends_old", True, ended_link, 200, 403, {}),
    ("failed_has_error", True, lambda on: word_of(on.job("A-102"), "error"), None, {
        "code": "ERR_INTERNAL_SERVER_ERROR", "detail": "The export could not be finished."}, {}),
    ("jobs_forgotten_after", 15, forgotten, 200, 404, {}),
    ("acc_missing_user_status", 403, lambda on: status_of(on.start("T-101", user="")), 400, 403, {}),
    ("acc_unknown_user_status", 403, lambda on: status_of(on.start("T-101", user="NOBODY")), 404, 403, {}),
    ("acc_unknown_options", "refuse", lambda on: status_of(on.start("T-101", more=1)), 202, 400, {}),
    ("acc_duplicates_refused", False, lambda on: status_of(on.start("T-101", "T-101")), 400, 202, {}),
    ("acc_slash_in_name_refused", False,
     lambda on: status_of(on.start("T-101", options={"outputFileName": "a/b"})), 400, 202, {}),
    ("acc_asset_markups", "one flag", lambda on: status_of(asset_flags(on)), 202, 400, {}),
    ("acc_error_code", "title", lambda on: word_of(on.start("T-103"), "code"), "404", "ERR_RESOURCE_NOT_EXIST", {}),
    ("acc_url_from", "first look", url_life, 50.0, 100.0, {"job_time": JobTime.fixed(10), "acc_url_life": 100}),
    ("acc_timeout_status", 500, lambda on: status_of(on.acc_job("T-104", wait=1801)), 200, 500, {}),
    ("acc_failing_file", "file",
     lambda on: word_of(on.acc_job("plain.pdf", "bad.pdf", service="files"), "status"), "failed", "partialSuccess", {}),
    ("acc_zip_names", "name", zip_names, ["plain.pdf", "plan.pdf"], ["plain.pdf.pdf", "plan.dwg.pdf"], {}),
    ("acc_unpublished_status", 403, lambda on: status_of(on.start("T-102")), 400, 403, {}),
    ("acc_deleted_sheet_status", 403, lambda on: status_of(on.start("T-103")), 404, 403, {}),
    ("acc_unknown_collection_status", 404, lambda on: status_of(on.sheets(f"collectionId={NOBODY}")), 200, 404, {}),
    ("acc_page_links", "relative", next_url_is_absolute, True, False, {}),
    ("acc_current_within", "project", lambda on: count_of(on.sheets("collectionId=*&searchText=T-101")), 2, 1, {}),
    ("acc_fields_with_id", False, lambda on: keys_of(on.sheets("fields=number")), ["id", "number"], ["number"], {}),
    ("acc_batch_unknown_status", 404, lambda on: batch(on, on.sheet("T-101"), NOBODY), 200, 404, {}),
    ("acc_batch_max", 1, lambda on: batch(on, on.sheet("T-101"), on.sheet("T-101", 1)), 200, 400, {}),
    ("acc_sets_max", 1, lambda on: count_of(on.get(on.acc("sheets", "version-sets?collectionId=*"))), 2, 1, {}),
    ("cost_unknown_association_status", 404, lambda on: status_of(on.documents(NOBODY)), 200, 404, {}),
    ("cost_all_documents", True, lambda on: count_of(on.documents()), 1, 2, {}),
    ("cost_forms_find_change_orders", False,
     lambda on: count_of(on.documents(on.association("Piles"), "FormInstance")), 1, 0, {}),
    ("cost_filter_signed", True, lambda on: count_of(on.documents(more="&filter[signed]=true")), 1, 0, {}),
    ("cost_null_fields", False, lambda on: has(on.documents(), "pdfUrn"), True, False, {}),
    ("cost_pdf_urn", True, lambda on: has_value(on.documents(), "pdfUrn"), False, True, {}),
    ("cost_job_id", "text", lambda on: type_of(on.documents(), "jobId"), int, str, {}),
    ("cost_unknown_region_status", 200, lambda on: status_of(on.documents(region="MARS")), 400, 200, {}),
    ("cost_unknown_template_status", 404, lambda on: status_of(on.attached("none")), 201, 404, {}),
    ("cost_attachment_is_document", False, id_of_an_attachment_is_listed, True, False, {"cost_all_documents": True}),
    ("cost_file_delay", 5, late_file, 200, 404, {"cost_all_documents": True}),
    ("dm_prefix_required", False,
     lambda on: on.status(f"{HUBS}/{on.world.hubs[0].id}/projects/{on.project('Clinic').id}"), 400, 200, {}),
    ("unknown_user_status", 404, lambda on: on.status(HUBS, user="NOBODY"), 403, 404, {}),
    ("raw_brackets", False,
     lambda on: on.status(f"{HUBS}/{on.world.hubs[0].id}/projects?page[limit]=1"), 200, 400, {}),
    ("derivative_encoded_once", False, lambda on: status_of(on.derivative(safe=":")), 400, 200, {}),
    ("derivative_early_status", 404, lambda on: on.early(), 202, 404, {}),
    ("cookies_early_status", 202, lambda on: on.early("/signedcookies"), 404, 202, {}),
    ("cdn_bearer_refused", False, cdn_with_bearer, 403, 200, {}),
    ("oss_chunk_prefix", "bytes=", lambda on: first_key(on.signed()), "0", "bytes=0", {}),
    ("oss_chunked_sha1", False, lambda on: has(on.signed(), "sha1"), True, False, {}),
    ("oss_fallback_expired_status", 410, old_fallback, 403, 410, {}),
    ("oss_sha1_is_etag", False, sha1_as_etag, 304, 200, {}),
    ("oss_cdn_signature", "SigV4", lambda on: has_key_pair(on), True, False, {}),
    ("storage_reads_if_range", True, range_of_another, 206, 200, {}),
    ("code_reuse", "refuse", hubs_after_a_second_use_of_the_code, 401, 200, {}),
    ("revoke_ends_access", False, hubs_after_the_refresh_token_is_revoked, 401, 200, {}),
    ("service_accounts_invited", False, projects_of_a_service_account, 2, 0, {}),
    ("unprocessed_status", 202,
     lambda on: status_of(on.client.api("POST", exports_path(on.version("A-103")), json={})), 400, 202, {}),
    ("search_needs_user", True, lambda on: on.status(search_path(on)), 200, 403, {}),
    ("refresh_token_life", 10, late_refresh, 200, 400, {}),
    ("code_life", 5, late_exchange, 200, 400, {}),
    ("remembers_consent", True, second_authorize, 200, 302, {}),
    ("quota_counts_refused", True, third_call, 200, 429, {**LIMITS, "quota_window": "rolling"}),
    ("quota_counts_faults", False, call_after_a_fault, 429, 200, LIMITS),
]  # fmt: skip


async def keys_of(answer: Awaitable[Any]) -> list[str]:
    return list((await answer).json["results"][0])


async def has(answer: Awaitable[Any], name: str) -> bool:
    body = (await answer).json
    return name in (body[0] if isinstance(body, list) else body)


async def has_value(answer: Awaitable[Any], name: str) -> bool:
    return (await answer).json[0][name] is not None


async def type_of(answer: Awaitable[Any], name: str) -> type:
    return type((await answer).json[0][name])


async def first_key(answer: Awaitable[Any]) -> str:
    return str(next(iter((await answer).json["urls"])).partition("-")[0])


async def has_key_pair(on: Observer) -> bool:
    urls = (await on.signed(query="useCdn=true")).json["urls"]
    return "Key-Pair-Id=" in next(iter(urls.values()))


@pytest.mark.parametrize(
    ("name", "value", "observe", "default", "changed", "more"), TABLE, ids=[row[0] for row in TABLE]
)
async def test_a_switch_changes_what_is_observed(
    serve: Any, name: str, value: Any, observe: Observation, default: object, changed: object, more: dict[str, Any]
) -> None:
    found = []
    for switches in ({}, {name: value}):
        behaviour = attrs.evolve(Behaviour(job_time=JobPolls(1)), **more, **switches)
        async with serve(World.from_json(WORLD), virtual=True, behaviour=behaviour) as client:
            await client.login("data:read data:write")
            found.append(await observe(Observer(client)))
    assert found == [default, changed]


def test_every_row_is_about_a_switch_of_its_own() -> None:
    names = [row[0] for row in TABLE]
    assert len(set(names)) == len(names)
    assert set(names) <= set(SWITCHES)
