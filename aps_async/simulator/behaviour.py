"""What the documentation leaves open, as switches, and how long a job takes."""

# ruff: noqa: RUF009 - switch() makes an attrs field

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import attrs

from .archives import Kind as ZipKind
from .refusals import Shape
from .switches import BehaviourError, Switch, read_settings, switch, switches_of

_Z95 = 1.6448536269514722  # the standard normal's 95th percentile


@attrs.frozen(kw_only=True)
class JobTime:
    """Job durations in seconds: log-normal with this median and 95th percentile, cut at `maximum`."""

    median: float = 20.0
    p95: float = 60.0
    maximum: float = 600.0

    def __attrs_post_init__(self) -> None:
        if not all(math.isfinite(value) and value >= 0 for value in (self.median, self.p95, self.maximum)):
            raise ValueError(f"JobTime wants finite seconds of at least 0, got {self}")
        if self.p95 < self.median:
            raise ValueError(f"JobTime wants 0 <= median <= p95, got median={self.median}, p95={self.p95}")

    @classmethod
    def fixed(cls, seconds: float) -> Self:
        """Every job takes exactly this long."""
        return cls(median=seconds, p95=seconds, maximum=seconds)

    def draw(self, key: str) -> float:
        """The duration for `key`; the same key gives the same duration, in whatever order jobs start."""
        if self.p95 == self.median:
            return min(self.median, self.maximum)
        sigma = math.log(self.p95 / self.median) / _Z95
        # A simulation's dice, not a secret.
        return min(self.median * math.exp(sigma * random.Random(key).gauss(0.0, 1.0)), self.maximum)  # noqa: S311


@attrs.frozen
class JobPolls:
    """A job is finished when its status is asked for the n-th time; 0 means at once."""

    count: int = 3


def _read_job_time(value: object) -> JobTime | JobPolls:
    if isinstance(value, JobTime | JobPolls):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return JobTime.fixed(float(value))
    if not isinstance(value, Mapping):
        raise TypeError("it is neither a number nor an object")
    numbers = {str(name): number for name, number in value.items()}
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers.values()):
        raise TypeError("every value must be a number")
    if set(numbers) == {"polls"} and isinstance(numbers["polls"], int) and numbers["polls"] >= 0:
        return JobPolls(numbers["polls"])
    unknown = set(numbers) - {"median", "p95", "maximum"}
    if unknown:
        raise ValueError(f"{min(unknown)!r} does not fit")
    return JobTime(**numbers)


def _read_quotas(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise TypeError("it is not an object")
    for name, calls in value.items():
        if not isinstance(name, str) or not isinstance(calls, int) or isinstance(calls, bool) or calls < 0:
            raise ValueError(f"{name!r} needs a whole number of calls a minute")
    return dict(value)


@attrs.frozen(kw_only=True)
class Behaviour:
    """How the simulated services decide what Autodesk's documentation does not. All durations are service seconds.

    `aps-async simulate --help-behaviour` lists every switch with its meaning, its values and what is documented.

    Raises:
        BehaviourError: A switch does not take the value given to it.
    """

    # ------------------------------------------------------------ BIM 360 exports
    post_status: int = switch(
        202,
        "Status of the response that starts a BIM 360 export.",
        documented="202; an official Postman collection asserts 200",
        choices=(200, 201, 202),
    )
    link_present: bool = switch(
        True,
        "Whether a completed BIM 360 export still carries the deprecated `data.link`.",
        documented="deprecated, and missing from the newer page",
    )
    signed_url_present: bool = switch(
        True,
        "Whether a completed BIM 360 export carries `data.signedUrl`; without it only the older path leads to the PDF.",
        documented="present",
    )
    signed_url_refused: bool = switch(
        False, "Whether storage answers 403 to a BIM 360 export's signed URL although it is fresh.", instrument=True
    )
    fresh_url_on_every_get: bool = switch(
        True, "Whether every status call makes a new signed URL; otherwise only a repeated start does."
    )
    not_found_after_start: int = switch(0, "How many status calls of a new job answer 404 first.")
    not_found_seconds: float = switch(0.0, "Seconds after the start during which the status answers 404.")
    repeat_gives_same_job: bool = switch(
        True,
        "Whether a repeated BIM 360 start answers with the earlier job's id; otherwise it starts another job.",
        documented="the response has the form of a status response; the id is not mentioned",
    )
    options_make_another_job: bool = switch(
        True,
        "Whether other markup or hyperlink options make another job; otherwise the first job's result comes back.",
    )
    repeat_restarts_failed: bool = switch(False, "Whether a repeated start of a failed job starts it again.")
    status_checks_path: bool = switch(
        True, "Whether project, version and export id of a BIM 360 status call must belong together."
    )
    body_required: bool = switch(True, "Whether a BIM 360 start without any body is refused.")
    acc_status: int = switch(404, "Status of a BIM 360 export of an ACC project.", choices=(400, 403, 404))
    not_exportable_status: int = switch(
        400,
        "Status of an export of something that is not a sheet of a Plans folder.",
        choices=(400, 403, 404, 409, 422),
    )
    unprocessed_status: int = switch(
        400,
        "Status of an export of a sheet that is still being processed; 202 lets it through.",
        choices=(202, 400, 403, 404, 409, 422),
    )
    bim360_errors: Shape = switch("object", "Shape of the error bodies of BIM 360 exports.")
    source_version_first: bool = switch(
        True,
        "Whether `data.versionUrn` names the source file's version; otherwise the sheet's own.",
        documented="the text says the source file, the sample shows the sheet",
    )
    signed_url_life: float = switch(
        120.0, "Life of a BIM 360 signed URL in seconds.", documented="2 minutes; the sample URL says 300 s"
    )
    # ------------------------------------------------------------ ACC exports
    acc_errors: Shape = switch(
        "object",
        "Shape of the error bodies of ACC Files and ACC Sheets.",
        documented="the fields `code`, `title` and `detail`, not their place",
    )
    not_acc_status: int = switch(
        404, "Status of an ACC export of a project that is not an ACC project.", choices=(400, 403, 404)
    )
    acc_initiator_status: int = switch(
        403,
        "Status of an ACC export's status call by anybody but the user who started it.",
        documented="only the user who started a job can read it; not with which status others are refused",
        choices=(403, 404),
    )
    acc_result_place: Literal["output", "result"] = switch(
        "output",
        "Whether `signedUrl` and `failedFiles` are in `result.output` or directly in `result`.",
        documented="`result.output` in the schema; one example shows `result`",
    )
    acc_url_life: float = switch(
        3600.0,
        "Life of an ACC export's URL in seconds, from the end of the job.",
        documented="one hour, without a start",
    )
    acc_zip: ZipKind = switch(
        "good",
        "The ZIPs that ACC Files delivers: good ones, ones with an entry `../../x`, a wrong CRC or an entry of "
        "Deflate64, 42 kB that unpack to 14 GB (bzip2), or 1.3 MB that unpack to 1.3 GB (deflate).",
        instrument=True,
    )
    # ------------------------------------------------------------ Cost Management
    cost_two_legged_status: int = switch(
        403,
        "Status of a Cost call with a token without a user.",
        documented="a user is required; not with which status others are refused",
        choices=(401, 403),
    )
    cost_container_ids: Literal["both", "project", "container"] = switch(
        "both",
        "Whether Cost takes project ids, BIM 360's old container ids, or both.",
        documented="project ids; container ids are not supported after 2026-07-30",
    )
    cost_single_object: bool = switch(
        False,
        "Whether Cost answers a list of one document with that object alone.",
        documented="a list; a tutorial shows one object",
    )
    cost_upper_case_ids: bool = switch(
        False, "Whether Cost answers `associationId` in upper case.", documented="upper case in the sample"
    )
    cost_region_routes: bool = switch(
        False,
        "Whether a `region` header other than that of the project's hub leads to 404.",
        documented="an optional hint; requests are routed by the id",
    )
    cost_conflict: bool = switch(False, "Whether Cost answers 409 to everything.", instrument=True)
    cost_error_info_on_completed: bool = switch(
        True,
        "Whether a completed Cost document carries an `errorInfo`.",
        documented="the text says only when it failed, the sample shows it on a completed document",
    )
    cost_pdf_urn: bool = switch(
        False,
        "Whether a finished Cost document carries a `pdfUrn`, the same as its `urn`; otherwise it is null.",
        documented="not relevant; the sample has the same value in both",
    )
    cost_job_id: Literal["number", "text"] = switch(
        "number", "The type of `jobId` in Cost documents.", documented="a number, and not relevant"
    )
    cost_folder_readable: bool = switch(
        True, "Whether the versions in the hidden Cost folder can be read; otherwise 403."
    )
    # ------------------------------------------------------------ Data Management, derivatives, object storage
    page_limit_max: int = switch(
        200, "Largest page that Data Management gives; more is refused.", documented="200", least=1
    )
    require_user_id: bool = switch(
        False, "Whether two-legged calls without `x-user-id` are refused.", documented="the header is optional"
    )
    search_needs_user: bool = switch(
        False,
        "Whether a folder search without a user is refused.",
        documented="a user is optional; an older specification says required",
    )
    hidden_service_folders: bool = switch(True, "Whether the list of top folders includes hidden service folders.")
    region_needed: bool = switch(
        False,
        "Whether a derivative is found only with the `region` header (or `/regions/eu/`) of its hub.",
        documented="the header defaults to US",
    )
    oss_status: Literal["complete", "chunked", "fallback"] = switch(
        "complete", "What signeds3download answers for an object that the world does not call chunked.", instrument=True
    )
    oss_chunk: int = switch(
        5_242_880, "Size of a chunk in bytes; smaller objects have three chunks.", instrument=True, least=1
    )
    oss_cdn: bool = switch(False, "Whether signeds3download gives CDN links without being asked to.")
    # ------------------------------------------------------------ tokens and sign-in
    token_life: float = switch(
        3599.0, "Life of an access token in seconds.", documented="60 minutes; 3599 in responses"
    )
    refresh_token_life: float = switch(15 * 86400.0, "Life of a refresh token in seconds.", documented="15 days")
    refresh_reuse: Literal["revoke", "refuse"] = switch(
        "revoke",
        "What a refresh token that is used twice does: end the whole login, or only be refused.",
        documented="single use; not what a second use does to the login",
    )
    refresh_grace: float = switch(0.0, "Seconds for which a used refresh token is still taken.")
    code_life: float = switch(300.0, "Life of an authorization code in seconds.", documented="5 minutes")
    remembers_consent: bool = switch(False, "Whether a user who has agreed once is not asked again.")
    unauthorized: Literal["rotate", "json", "empty"] = switch(
        "rotate",
        "Body of a 401: the gateway's AUTH-006 document, none but a header, or both in turn.",
        documented="both occur",
    )
    missing_scope: Literal["rotate", "json", "text"] = switch(
        "rotate",
        "Body of a 403 for a missing scope: the AUTH-010 document, plain text, or both in turn.",
        documented="both occur",
    )
    # ------------------------------------------------------------ quotas and time
    quotas: bool = switch(True, "Whether the published quotas are enforced.", documented="enforced")
    quota_overrides: Mapping[str, int] = switch(
        dict,
        "Calls a minute by endpoint name, instead of the published ones; `GET /simulator/counts` shows the names.",
        instrument=True,
        read=_read_quotas,
        form="an object of endpoint names and calls a minute",
    )
    quota_window: Literal["fixed", "rolling"] = switch(
        "fixed", "Whether a quota counts fixed windows of 60 s from the simulator's start, or the last 60 s."
    )
    quota_phase: float = switch(0.0, "Seconds by which fixed windows are shifted against the simulator's start.")
    quota_seconds: float = switch(60.0, "Length of a quota window in seconds.", documented="a minute", least=0.001)
    retry_after_on_429: bool = switch(
        True, "Whether a 429 says how long to wait.", documented="the sample has a Retry-After; not that all have"
    )
    job_time: JobTime | JobPolls = switch(
        JobTime,
        "How long jobs take: a fixed time, a distribution, or a number of status calls.",
        instrument=True,
        read=_read_job_time,
        form='seconds, {"median": 20, "p95": 60, "maximum": 600} or {"polls": 3}',
    )

    def __attrs_post_init__(self) -> None:
        for name, one in SWITCHES.items():
            one.read(getattr(self, name))

    @classmethod
    def from_json(cls, document: object, base: "Behaviour | None" = None) -> "Behaviour":
        """Switches from a parsed JSON object; those it does not name are as in `base`, or have their defaults.

        Raises:
            BehaviourError: An unknown switch, or a value that one does not take.
        """
        return attrs.evolve(base or cls(), **read_settings(SWITCHES, document))

    def to_json(self) -> dict[str, Any]:
        """Every switch with its value, as `from_json` reads it."""
        return {name: _plain(getattr(self, name)) for name in SWITCHES}


SWITCHES: dict[str, Switch] = switches_of(Behaviour)


def _plain(value: object) -> object:
    if isinstance(value, JobPolls):
        return {"polls": value.count}
    if isinstance(value, JobTime):
        return attrs.asdict(value)
    return dict(value) if isinstance(value, Mapping) else value


def load_behaviour(path: Path | str, base: Behaviour | None = None) -> Behaviour:
    """Switches from a JSON file; BehaviourError says what is wrong."""
    try:
        return Behaviour.from_json(json.loads(Path(path).read_text("utf-8")), base)
    except BehaviourError as error:
        raise BehaviourError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BehaviourError(f"{path}: cannot be read: {error}") from None
    except ValueError as error:
        raise BehaviourError(f"{path}: is not JSON: {error}") from None
