"""What the documentation leaves open, as switches, and how long a job takes."""

import math
import random
from collections.abc import Mapping
from typing import Literal, Self

import attrs

from .archives import Kind as ZipKind
from .refusals import Shape

_Z95 = 1.6448536269514722  # the standard normal's 95th percentile


@attrs.frozen(kw_only=True)
class JobTime:
    """Job durations in seconds: log-normal with this median and 95th percentile, cut at `maximum`."""

    median: float = 20.0
    p95: float = 60.0
    maximum: float = 600.0

    def __attrs_post_init__(self) -> None:
        if self.median < 0 or self.p95 < self.median:
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


@attrs.frozen(kw_only=True)
class Behaviour:
    """How the simulated services decide what Autodesk's documentation does not. All durations are service seconds."""

    post_status: int = 202
    """What the start of an export answers: 202 is documented, an official collection asserts 200."""
    link_present: bool = True
    """Whether a completed export still carries the deprecated `data.link`."""
    signed_url_present: bool = True
    """Whether a completed BIM 360 export carries `data.signedUrl`; without it only the older path leads to the PDF."""
    signed_url_refused: bool = False
    """Whether the storage answers 403 to a BIM 360 export's signed URL although it is fresh."""
    fresh_url_on_every_get: bool = True
    """Whether every status call mints a new signed URL; without it only a repeated POST does."""
    not_found_after_start: int = 0
    """How many status calls of a new job answer 404 first (eventual consistency)."""
    not_found_seconds: float = 0.0
    """For how long after the start the status answers 404."""
    repeat_gives_same_job: bool = True
    """Whether a repeated POST answers with the earlier job's id; otherwise it starts another job."""
    options_make_another_job: bool = True
    """Whether other markup or hyperlink options make a different job; otherwise the first one's result comes back."""
    repeat_restarts_failed: bool = False
    """Whether a repeated POST of a failed job starts it anew."""
    status_checks_path: bool = True
    """Whether project, version and export id of a status call must belong together."""
    body_required: bool = True
    """Whether a start without any body is refused."""
    acc_status: int = 404
    """What a BIM 360 export of an ACC project answers (400, 403 or 404)."""
    not_exportable_status: int = 400
    """What an export of something that is not a sheet of a Plans folder answers."""
    unprocessed_status: int = 400
    """What an export of a sheet that is still being processed answers; 202 lets it through."""
    bim360_errors: Shape = "object"
    """Shape of the export endpoints' error bodies, which are not documented."""
    acc_errors: Shape = "object"
    """Shape of the error bodies of ACC Files and ACC Sheets, whose placement is not documented."""
    not_acc_status: int = 404
    """What an ACC export of a project that is not one answers (400, 403 or 404)."""
    acc_initiator_status: int = 403
    """What the status of an ACC export answers to anybody but the user who started it (403 or 404)."""
    acc_result_place: Literal["output", "result"] = "output"
    """Whether `signedUrl` and `failedFiles` stand in `result.output`, as in the schema, or directly in `result`."""
    acc_url_life: float = 3600.0
    """Life of an ACC export's URL, from the end of the job."""
    acc_zip: ZipKind = "good"
    """What ZIPs ACC Files delivers: also ones with an entry `../../x`, a wrong CRC, or 42 kB that unpack to 14 GB (by
    bzip2) or 41 MB (by deflate)."""
    cost_two_legged_status: int = 403
    """What Cost Management answers to a token without a user (401 or 403)."""
    cost_container_ids: Literal["both", "project", "container"] = "both"
    """Whether Cost Management takes project ids, BIM 360's old container ids, or both."""
    cost_single_object: bool = False
    """Whether a list of one document is answered as that object, as a tutorial shows it."""
    cost_upper_case_ids: bool = False
    """Whether `associationId` is answered in upper case, as in the sample."""
    cost_region_routes: bool = False
    """Whether a `region` header other than that of the project's hub leads to 404; it is documented as a hint."""
    cost_conflict: bool = False
    """Whether Cost Management answers 409 to everything."""
    cost_error_info_on_completed: bool = True
    """Whether a completed document carries an `errorInfo`, as in the sample."""
    cost_folder_readable: bool = True
    """Whether the versions in the hidden Cost folder can be read; otherwise 403."""
    region_needed: bool = False
    """Whether a derivative is found only with the `region` header (or `/regions/eu/`) of the hub it belongs to."""
    oss_status: Literal["complete", "chunked", "fallback"] = "complete"
    """What signeds3download answers for an object that the world does not call chunked."""
    oss_chunk: int = 5_242_880
    """Size of a chunk; smaller objects have three."""
    oss_cdn: bool = False
    """Whether signeds3download gives CDN links unasked, as it does to some."""
    job_time: JobTime | JobPolls = attrs.field(factory=JobTime)
    """How long jobs take."""
    signed_url_life: float = 120.0
    """Life of a signed URL: the text says 120 s, the documented sample 300 s."""
    token_life: float = 3599.0
    """Life of an access token."""
    refresh_token_life: float = 15 * 86400.0
    """Life of a refresh token."""
    refresh_reuse: Literal["revoke", "refuse"] = "revoke"
    """What a spent refresh token does when it comes again: end the whole login, or nothing but be refused."""
    refresh_grace: float = 0.0
    """For how long a spent refresh token is still taken, as some servers do for clients whose answer was lost."""
    code_life: float = 300.0
    """Life of an authorization code."""
    remembers_consent: bool = False
    """Whether somebody who has agreed once is not asked again."""
    unauthorized: Literal["rotate", "json", "empty"] = "rotate"
    """Body of a 401: the gateway's AUTH-006 document, nothing but a header, or both in turn."""
    missing_scope: Literal["rotate", "json", "text"] = "rotate"
    """Body of a 403 for a missing scope: AUTH-010 document, plain text, or both in turn."""
    quotas: bool = True
    """Whether quotas are enforced."""
    quota_overrides: Mapping[str, int] = attrs.field(factory=dict[str, int])
    """Calls a minute by endpoint name, over the published table."""
    quota_window: Literal["fixed", "rolling"] = "fixed"
    """Whether a quota counts windows of 60 s from the simulator's start or the last 60 s."""
    quota_phase: float = 0.0
    """By how much fixed windows are shifted against the simulator's start."""
    quota_seconds: float = 60.0
    """Length of a quota window."""
    retry_after_on_429: bool = True
    """Whether a 429 says how long to wait."""
    page_limit_max: int = 200
    """Largest page Data Management gives; more is refused."""
    require_user_id: bool = False
    """Whether two-legged calls without `x-user-id` are refused."""
    search_needs_user: bool = False
    """Whether a folder search without `x-user-id` is refused (an older specification says three-legged only)."""
    hidden_service_folders: bool = True
    """Whether topFolders lists hidden service folders too."""
    source_version_first: bool = True
    """Whether `data.versionUrn` names the source file's version; otherwise the sheet's own, as in the sample."""
