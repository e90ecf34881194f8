"""The Object Storage Service: where the bytes of a storage URN can be had from."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from . import access
from .pages import Content
from .parts import Version
from .replies import Refusal, Reply, json_reply
from .requests import precondition, whole_number
from .routing import Call, Endpoint
from .sources import Part, Sources, media_of
from .storage import Storage, content_reply
from .urns import derived_uuid

_BUCKET = re.compile(r"[-_.a-z0-9]{3,128}")
_OVERRIDES = ("content-type", "content-disposition", "cache-control")
_CONDITIONS = ("If-None-Match", "If-Modified-Since")  # the documented ones
_SIGNED = "/oss/v2/signedresources"


def refuse(status: int, _code: str, reason: str) -> Refusal:
    """The error document of OSS, which has a reason only."""
    return Refusal(json_reply(status, {"reason": reason}))


def _version(call: Call) -> Version:
    bucket, key = call.params["bucket"], call.params["key"]
    if not _BUCKET.fullmatch(bucket):
        raise refuse(400, "", "Invalid bucket key.")
    access.acting_user(call, refuse)
    version = call.simulator.world.objects.get(f"urn:adsk.objects:os.object:{bucket}/{key}")
    if version is None:
        raise refuse(404, "", "Object not found")
    project = version.item.folder.project
    if project.forbidden or not access.is_member(call.user, project):
        raise refuse(403, "", "You don't have permission to access this object.")
    access.check_item(call, version.item, project, refuse)
    return version


def _flag(call: Call, name: str) -> bool:
    text = call.query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise refuse(400, "", f"{name} must be true or false.")
    return text == "true"


def _minutes(call: Call) -> int:
    minutes = whole_number(call.query.get("minutesExpiration", "2"), 1, 60)
    if minutes is None:
        raise refuse(400, "", "minutesExpiration must be a number from 1 to 60.")
    return minutes


def _not_modified(call: Call, sha1: str, content: Content, modified: float) -> bool:
    tags = [content.etag, *([sha1] if call.simulator.behaviour.oss_sha1_is_etag else [])]
    asked = {name: call.request.headers[name] for name in _CONDITIONS if name in call.request.headers}
    return precondition(asked, tags, modified) == 304


def _params(call: Call) -> tuple[dict[str, str], str]:
    """The overrides as the answer repeats them, and as the signed link carries them."""
    params = {name: call.query[f"response-{name}"] for name in _OVERRIDES if f"response-{name}" in call.query}
    return params, "&".join(f"response-{name}={quote(value, safe='')}" for name, value in params.items())


def _link(call: Call, path: str, more: str) -> str:
    simulator = call.simulator
    life = 60 * _minutes(call) / simulator.speed
    signer = simulator.state(Storage).signer
    behaviour = simulator.behaviour
    if (_flag(call, "useCdn") or behaviour.oss_cdn) and behaviour.oss_cdn_signature == "CloudFront":
        return simulator.storage_url + signer.link_v2(path, simulator.clock() + life, more, key="Key-Pair-Id")
    return simulator.storage_url + signer.link(path, simulator.clock(), life, more)


def _parts(call: Call, version: Version, path: str, more: str) -> dict[str, str]:
    """A link for each part of an upload that was not merged, by its range; in the order of the keys as texts."""
    simulator = call.simulator
    size = simulator.state(Sources).content(version).size
    step = max(1, min(simulator.behaviour.oss_chunk, -(-size // 3)))
    urls: dict[str, str] = {}
    for number, start in enumerate(range(0, size, step), 1):
        stop = min(start + step, size)

        part = f"{path}/part-{number}"
        simulator.state(Storage).put(part, _part_maker(call, version, start, stop), simulator.began, media_of(version))
        urls[f"{simulator.behaviour.oss_chunk_prefix}{start}-{stop - 1}"] = _link(call, part, more)
    return dict(sorted(urls.items()))


def _part_maker(call: Call, version: Version, start: int, stop: int) -> Callable[[int], Part]:
    return lambda revision: Part(call.simulator.state(Sources).content(version, revision), start, stop)


def _fallback(call: Call, version: Version, path: str) -> str:
    """An address of OSS itself that needs no bearer."""
    simulator = call.simulator
    life = 60 * _minutes(call) / simulator.speed
    own = f"{_SIGNED}/{derived_uuid('signed', simulator.seed, version.id, simulator.next_request_number())}"
    simulator.state(Storage).aliases[own] = path
    simulator.state(Storage).ends[own] = simulator.clock() + life
    return f"{simulator.url}{own}?region=US"


async def signeds3download(call: Call) -> Reply:
    """GET .../signeds3download."""
    simulator, version = call.simulator, _version(call)
    bucket, key = call.params["bucket"], call.params["key"]
    path = f"/com.autodesk.oss.us/{bucket}/{quote(key, safe='')}"

    def make(revision: int) -> Content:
        return simulator.state(Sources).content(version, revision)

    stored = simulator.state(Storage).put(path, make, simulator.began, media_of(version))
    content = simulator.state(Sources).content(version, stored.revision)
    sha1 = simulator.state(Sources).sha1(content)
    if _not_modified(call, sha1, content, stored.modified):
        return Reply(304, {"Server": "nginx", "ETag": f'"{sha1}"'})
    params, more = _params(call)
    shape = "chunked" if version.item.chunked else simulator.behaviour.oss_status
    if shape == "chunked" and _flag(call, "public-resource-fallback"):
        shape = "fallback"
    document: dict[str, Any] = {"status": shape, "params": params, "size": content.size, "sha1": sha1}
    if shape == "chunked":
        if not simulator.behaviour.oss_chunked_sha1:
            del document["sha1"]
        document["urls"] = _parts(call, version, path, more)
    elif shape == "fallback":
        document["url"] = _fallback(call, version, path)
    else:
        document["url"] = _link(call, path, more)
    return json_reply(200, document)


async def oss_get(call: Call) -> Reply:
    """GET of a fallback address; no bearer is looked at."""
    storage = call.simulator.state(Storage)
    stored, end = storage.find(call.raw_path), storage.ends.get(call.raw_path, 0.0)
    if stored is None:
        raise refuse(404, "", "The signed resource does not exist.")
    if call.simulator.clock() > end:
        storage.expired_opened += 1
        raise refuse(call.simulator.behaviour.oss_fallback_expired_status, "", "The signed resource has expired.")
    return content_reply(call, stored)


ENDPOINTS = (
    Endpoint(
        "signeds3download",
        "GET",
        "/oss/v2/buckets/{bucket}/objects/{key}/signeds3download",
        "data:read",
        1000,
        signeds3download,
    ),
    Endpoint("oss_get", "GET", f"{_SIGNED}/{{id}}", None, None, oss_get),
)
