"""Model Derivative: the older ways to an exported PDF, by bearer or by three signed cookies of a CDN."""

import base64
import json
import math
import re
from typing import Any
from urllib.parse import quote

from . import access
from .behaviour import JobPolls
from .bim360 import Job, Jobs
from .replies import Refusal, Reply, json_reply
from .requests import whole_number
from .routing import Call, Endpoint
from .signing import cookie_safe
from .storage import BUCKET, CDN, Storage, content_reply, xml_error

_URN = re.compile(r"[A-Za-z0-9_-]+")
_PREFIX = "urn:adsk.viewing:fs.file:"
_REGIONS = frozenset(["US", "EMEA", "AUS", "CAN", "DEU", "IND", "JPN", "GBR", "APAC"])
_MINUTES = 360
_POLICY, _SIGNATURE, _KEY = "CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"


def refuse(status: int, _code: str, text: str) -> Refusal:
    """Model Derivative's error document, which has a diagnostic only."""
    return Refusal(json_reply(status, {"diagnostic": text}))


def _raw(call: Call, name: str) -> str:
    """A path segment as it was sent."""
    segments = call.raw_path.split("/")
    place = segments.index("manifest") + (1 if name == "derivative" else -1)
    return segments[place]


def _job(call: Call) -> Job:
    """The export whose PDF is asked for."""
    simulator, derivative = call.simulator, call.params["derivative"]
    if not _URN.fullmatch(_raw(call, "urn")):
        raise refuse(400, "", "The requested manifest urn is invalid: it must be URL-safe base64 without padding.")
    once = _raw(call, "derivative") == quote(derivative, safe="")
    if not derivative.startswith(_PREFIX) or not (once or not simulator.behaviour.derivative_encoded_once):
        raise refuse(400, "", "The derivative urn is invalid: it must be percent-encoded once, slashes and all.")
    region = call.request.headers.get("region", "US")
    if region.upper() not in _REGIONS:
        raise refuse(400, "", f"The region {region!r} is not known.")
    rest = derivative.removeprefix(_PREFIX)
    job = simulator.state(Jobs).by_path.get(f"/{BUCKET}/{rest}")
    if job is None or rest.partition("/")[0] != call.params["urn"]:
        raise refuse(404, "", "The derivative does not exist.")
    project = access.find_project(call, job.version.item.folder.project.id, refuse)
    access.check_item(call, job.version.item, project, refuse)
    home = project.hub.region
    in_europe = call.endpoint.name.endswith("_eu")
    if simulator.behaviour.region_needed and home != ("EMEA" if in_europe else region.upper()):
        raise refuse(404, "", "The derivative does not exist in this region.")
    return job


def _status(call: Call, job: Job) -> str:
    job_time = call.simulator.behaviour.job_time
    return job.status(call.simulator.now(), job_time.count if isinstance(job_time, JobPolls) else 0)


async def derivative(call: Call) -> Reply:
    """GET .../manifest/{derivativeUrn}: the PDF through the API, deprecated."""
    job = _job(call)
    status = _status(call, job)
    if status == "committed" and call.simulator.behaviour.derivative_early_status == 202:
        return json_reply(202, {"status": "inprogress"})
    stored = call.simulator.state(Storage).find(job.path)
    if status != "completed" or stored is None:
        raise refuse(404, "", "The derivative does not exist.")
    return content_reply(call, stored)


def _minutes(call: Call) -> int:
    minutes = whole_number(call.query.get("minutes-expiration", str(_MINUTES)), 1, _MINUTES)
    if minutes is None:
        raise refuse(400, "", f"minutes-expiration must be a number from 1 to {_MINUTES}.")
    return minutes


async def signedcookies(call: Call) -> Reply:
    """GET .../signedcookies: the address of the PDF on the CDN, and the cookies that open it."""
    simulator, job = call.simulator, _job(call)
    stored = simulator.state(Storage).find(job.path)
    status = _status(call, job)
    if status == "committed" and simulator.behaviour.cookies_early_status == 202:
        return json_reply(202, {"status": "inprogress"})
    if status != "completed" or stored is None:
        raise refuse(404, "", "The derivative does not exist.")
    disposition = call.query.get("response-content-disposition", "")
    if disposition and not disposition.startswith("attachment"):
        raise refuse(400, "", "response-content-disposition must begin with 'attachment'.")
    end = simulator.clock() + 60 * _minutes(call) / simulator.speed
    path = f"{CDN}{job.path.removeprefix(f'/{BUCKET}')}"
    content = stored.content()
    document: dict[str, Any] = {
        "etag": content.etag,
        "size": content.size,
        "url": f"{simulator.storage_url}{path}",
        "content-type": stored.media,
        "expiration": int(end * 1000),
    }
    if disposition:
        document["url"] += f"?response-content-disposition={quote(disposition, safe='')}"
    reply = json_reply(200, document)
    reply.cookies = _cookies(call, path, math.ceil(end))
    return reply


def _cookies(call: Call, path: str, end: int) -> tuple[str, ...]:
    """Their domain is the CDN's in the real world, so that no cookie jar takes them from here."""
    signer = call.simulator.state(Storage).signer
    statement = {"Resource": f"https:/{path}*", "Condition": {"DateLessThan": {"AWS:EpochTime": end}}}
    policy = cookie_safe(json.dumps({"Statement": [statement]}, separators=(",", ":")).encode())
    values = {_POLICY: policy, _SIGNATURE: signer.sign_policy(policy), _KEY: signer.key_pair}
    rest = f"; Domain=.derivative.autodesk.com; Path={path.removeprefix(CDN).rpartition('/')[0]}; Secure; HttpOnly"
    return tuple(f"{name}={value}{rest}" for name, value in values.items())


def _sent_cookies(header: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in header.split(";")]
    return {name: value for name, _, value in pairs if name}


def _term(policy: str) -> tuple[str, int]:
    """The path and the end that a policy allows that was signed here."""
    text = base64.b64decode(policy.translate(str.maketrans("-_~", "+=/")))
    statement = json.loads(text)["Statement"][0]
    resource, end = statement["Resource"], statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
    return str(resource).removeprefix("https:/").removesuffix("*"), int(end)


async def cdn_get(call: Call) -> Reply:
    """GET on the CDN: all three cookies in any order, and no bearer."""
    storage = call.simulator.state(Storage)
    if "Authorization" in call.request.headers and call.simulator.behaviour.cdn_bearer_refused:
        storage.authorization_seen += 1
        return xml_error(call, 403, "AccessDenied", "Access denied")
    cookies = _sent_cookies(call.request.headers.get("Cookie", ""))
    for name in (_KEY, _POLICY, _SIGNATURE):
        if name not in cookies:
            what = name.removeprefix("CloudFront-")
            return xml_error(call, 403, "MissingKey", f"Missing {what} query parameter or cookie value")
    policy = cookies[_POLICY]
    good = cookies[_KEY] == storage.signer.key_pair and cookies[_SIGNATURE] == storage.signer.sign_policy(policy)
    path, end = _term(policy) if good else ("", 0)
    if path != call.raw_path:
        return xml_error(call, 403, "AccessDenied", "Access denied")
    if call.simulator.clock() > end:
        storage.expired_opened += 1
        return xml_error(call, 403, "AccessDenied", "Access denied")
    stored = storage.find(call.raw_path)
    if stored is None:
        return xml_error(call, 404, "NoSuchKey", "The specified key does not exist.")
    return content_reply(call, stored)


CDN_GET = Endpoint("cdn_get", "GET", CDN, None, None, cdn_get)

_SCOPES = "data:read viewables:read"
_MANIFEST = "designdata/{urn}/manifest/{derivative}"
ENDPOINTS = tuple(
    Endpoint(f"{name}{suffix}", "GET", f"/modelderivative/v2/{place}{_MANIFEST}{tail}", _SCOPES, None, handler)
    for suffix, place in (("", ""), ("_eu", "regions/eu/"))
    for name, tail, handler in (("derivative", "", derivative), ("signedcookies", "/signedcookies", signedcookies))
)
