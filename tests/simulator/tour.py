"""Goes through a whole world, so that every endpoint is asked for everything it has."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.simulator.conftest import Answer, Client

CALLBACK = "http://127.0.0.1:8765/callback"
ALL = "data:read data:write data:search account:read user-profile:read"
MANAGE = " ".join(f"application:service_account{kind}:{verb}" for kind in ("", "_key") for verb in ("read", "write"))
ACCOUNTS = "/authentication/v2/service-accounts"
_ELSEWHERE = ("https://", "/oss/")


def q(value: str) -> str:
    return quote(value, safe="")


def hrefs(value: Any) -> Iterator[str]:
    """Every `href` in a document."""
    if isinstance(value, list):
        for one in value:
            yield from hrefs(one)
    elif isinstance(value, dict):
        if isinstance(value.get("href"), str):
            yield value["href"]
        for one in value.values():
            yield from hrefs(one)


async def data_management(client: Client) -> set[str]:
    """Follow every address from the hubs on; the addresses that were followed."""
    waiting, seen = ["/project/v1/hubs"], set[str]()
    while waiting:
        path = waiting.pop()
        address = unquote(path)
        if address in seen:
            continue
        seen.add(address)
        answer = await client.get(path)
        found = [href.removeprefix(client.simulator.url) for href in hrefs(answer.json)]
        waiting += [href for href in found if not href.startswith(_ELSEWHERE)]
    world = client.simulator.world
    for folder in world.folders.values():
        base = f"/data/v1/projects/b.{folder.project.id}/folders/{q(folder.id)}"
        await client.get(f"{base}/search?filter[extension.type]=versions:autodesk.bim360:File")
        await client.get(f"{base}/contents?page[number]=0&page[limit]=2&includeHidden=true")
    for item in world.items.values():
        base = f"/data/v1/projects/b.{item.folder.project.id}"
        await client.get(f"{base}/items/{q(item.id)}?includePathInProject=true")
        await client.get(f"{base}/versions/{q(item.tip.id)}/downloads")
        if item.tip.storage:
            bucket, _, key = item.tip.storage.removeprefix("urn:adsk.objects:os.object:").partition("/")
            await download(client, f"/oss/v2/buckets/{bucket}/objects/{q(key)}/signeds3download")
    return seen


async def download(client: Client, path: str) -> None:
    """The addresses of an object, and what a fallback one leads to."""
    answer = await client.get(path)
    if answer.status == 200:
        await client.get(path, headers={"If-None-Match": answer.json["sha1"]})
        other = await client.get(f"{path}?public-resource-fallback=true&minutesExpiration=5&useCdn=true")
        if other.json["status"] == "fallback":
            await client.call("GET", other.json["url"])
    await client.get(f"{path}?minutesExpiration=99")


async def poll(client: Client, path: str, user: str = "") -> Any:
    """The last document of a job, or None when it does not end."""
    for _ in range(4):
        answer = await client.get(path, user=user)
        if answer.status != 200 or answer.json["status"] not in ("committed", "processing"):
            return answer.json if answer.status == 200 else None
    return None


async def bim360(client: Client) -> None:
    """Export every item of every folder, whatever becomes of it, and read every derivative."""
    for item in client.simulator.world.items.values():
        project = item.folder.project.id
        path = f"/bim360/docs/v1/projects/{project}/versions/{q(item.tip.id)}/exports"
        body = {"urns": [item.id, item.tip.id]}
        await client.api("POST", f"/bim360/docs/v1/projects/{project}/versions:batch-get", json=body)
        started = await client.api("POST", path, json={"includeMarkups": True, "includeHyperlinks": False})
        if started.status >= 300:
            continue
        done = await poll(client, f"{path}/{started.json['id']}")
        await client.api("POST", path, json={"includeMarkups": True, "includeHyperlinks": False})
        if done is None or "data" not in done:
            continue
        tail = f"designdata/{done['data']['versionUrn']}/manifest/{q(done['data']['resourceId'])}"
        for root in ("/modelderivative/v2", "/modelderivative/v2/regions/eu"):
            for rest in (
                "",
                "/signedcookies",
                "/signedcookies?minutes-expiration=5",
                "/signedcookies?minutes-expiration=999",
            ):
                await client.get(f"{root}/{tail}{rest}", headers={"Range": "bytes=0-9"})


async def acc(client: Client) -> None:
    """Lists and exports of every project, with the user that they need."""
    user = next(iter(client.simulator.world.users))
    for project in client.simulator.world.projects.values():
        sheets = f"/construction/sheets/v1/projects/b.{project.id}"
        files = f"/construction/files/v1/projects/{project.id}"
        await client.get(f"{sheets}/version-sets?limit=1")
        await client.get(f"{sheets}/sheets?currentOnly=true&limit=2&offset=1")
        await client.get(f"{sheets}/sheets?collectionId=*&fields=number")
        await client.get(f"{sheets}/sheets?limit=1000")
        await client.get(f"{sheets}/collections?limit=1")
        for collection in project.collections:
            await client.get(f"{sheets}/collections/{collection.id}")
        await client.get(f"{sheets}/collections/{project.id}")
        ids = [sheet.id for sheet in project.sheets[:50]] or [project.id]
        await client.api("POST", f"{sheets}/sheets:batch-get", json={"ids": ids}, user=user)
        options = {"outputFileName": "All", "standardMarkups": {"includePublishedMarkups": False}}
        starts = [(sheets, {"sheets": [sheet.id], "options": options}) for sheet in project.sheets]
        versions = [item.tip.id for item in client.simulator.world.items.values() if item.folder.project is project]
        starts += [(files, {"fileVersions": [version]}) for version in versions]
        starts += [(files, {"fileVersions": versions[i : i + 2]}) for i in range(0, len(versions), 2)]
        for base, body in starts:
            answer = await client.api("POST", f"{base}/exports", json=body, user=user)
            if answer.status == 202:
                await poll(client, f"{base}/exports/{answer.json['id']}", user)
                await client.get(f"{base}/exports/{answer.json['id']}")  # without the user


async def cost(client: Client) -> None:
    """Documents of everything that can have some, by both ids of the container, and a new one."""
    lists = ("budgets", "contracts", "main-contracts", "cost-items", "expenses", "payments", "change-orders/sco")
    more = ("budgets?limit=1&offset=1", "payments?filter[associationType]=MainContract", "payments?limit=0",
            "payments?filter[associationType]=Budget", "change-orders/xyz")  # fmt: skip
    for project in client.simulator.world.projects.values():
        for each in (*lists, *more):
            await client.get(f"/cost/v1/containers/{project.id}/{each}")
        for one in project.cost.associations.values():
            await client.get(f"/cost/v1/containers/{project.id}/budgets?filter[id]={one.id}")
            for container in {project.id, project.cost.container}:
                query = f"associationId={one.id}&associationType={one.kind}&filter[latest]=true"
                await client.get(f"/cost/v1/containers/{container}/documents?{query}", headers={"region": "US"})
            template = next(iter(project.cost.templates), "none")
            body = {"type": "Document", "name": "New", "associationId": one.id, "associationType": one.kind}
            path = f"/cost/v1/containers/{project.id}"
            await client.api("POST", f"{path}/attachments", json={**body, "templateId": template})
            await client.get(f"{path}/documents?associationId={one.id}&associationType={one.kind}")
        await client.get(f"/cost/v1/containers/{project.id}/documents?associationId=x&associationType=Budget")


async def sign_in(client: Client) -> Answer:
    """A login in a browser, its tokens refreshed, looked at and revoked; the token response."""
    simulator, user = client.simulator, next(iter(client.simulator.world.users.values()))
    app = next(app for app in simulator.world.apps.values() if CALLBACK in app.redirect_uris and not app.public)
    secret = {"client_id": app.client_id, "client_secret": app.client_secret}
    asked = {
        "client_id": app.client_id,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": f"openid {ALL}",
        "state": "s",
        "nonce": "n",
    }
    page = f"/authentication/v2/authorize?{urlencode(asked)}"
    await client.call("GET", page)
    form = {"step": "login", "email": user.email, "password": user.password}
    cookie = (await client.call("POST", page, data=form)).headers["Set-Cookie"].partition(";")[0]
    consent = (await client.call("GET", page, headers={"Cookie": cookie})).body.decode()
    guard = consent.partition('name="guard" value="')[2].partition('"')[0]
    form = {"step": "consent", "guard": guard, "decision": "allow"}
    back = (await client.call("POST", page, data=form, headers={"Cookie": cookie})).headers["Location"]
    code = parse_qs(urlsplit(back).query)["code"][0]
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    tokens = await client.call("POST", "/authentication/v2/token", data={**grant, **secret})
    await client.call("GET", "/userinfo", headers={"Authorization": f"Bearer {tokens.json['access_token']}"})
    for token in (tokens.json["access_token"], "unknown"):
        await client.call("POST", "/authentication/v2/introspect", data={"token": token, **secret})
    await client.call("POST", "/authentication/v2/token", data={**grant, **secret})  # used already
    for kind in ("refresh_token", "access_token"):
        form = {"token": tokens.json[kind], "token_type_hint": kind, **secret}
        await client.call("POST", "/authentication/v2/revoke", data=form)
    await client.call("GET", "/authentication/v2/logout")
    await client.call("GET", "/authentication/v2/keys")
    await client.call("GET", "/.well-known/openid-configuration")
    await client.token("nonsense")
    await client.token(client_secret="wrong")
    await client.call("GET", "/userinfo")
    return tokens


async def service_accounts(client: Client) -> None:
    """One account from its creation to its end."""
    await client.login(MANAGE)
    new = {"name": "exports-bot", "firstName": "Exports", "lastName": "Bot"}
    account = (await client.api("POST", ACCOUNTS, json=new)).json["serviceAccountId"]
    one = f"{ACCOUNTS}/{account}"
    key = (await client.api("POST", f"{one}/keys")).json["kid"]
    for path in (ACCOUNTS, one, f"{one}/keys", f"{ACCOUNTS}/unknown"):
        await client.get(path)
    await client.api("PATCH", f"{one}/keys/{key}", json={"status": "DISABLED"})
    await client.api("PATCH", one, json={"status": "DISABLED"})
    await client.api("DELETE", f"{one}/keys/{key}")
    await client.api("DELETE", one)


async def everything(client: Client) -> None:
    """All of it, two-legged where that is enough."""
    await sign_in(client)
    await service_accounts(client)
    await client.login(ALL)
    await data_management(client)
    await bim360(client)
    await acc(client)
    client.bearer = client.simulator.user_token(scopes=ALL)
    await cost(client)
    client.bearer = "worthless"
    for path in ("/project/v1/hubs", "/project/v1/hubs"):
        await client.get(path)
