"""Autodesk's services on loopback, for tests, demonstrations and measurements.

A real HTTP server that behaves as Autodesk documents, from the token endpoint to the storage that signed links lead
to. It imports nothing of the rest of this library, so that a mistaken model of the service cannot agree with itself.

    async with Simulator(World.demo(sheets=12), speed=60) as simulator:
        ...  # point a client at simulator.url with simulator.client_id and simulator.client_secret

What the documentation leaves open and had to be decided here (the switch of `Behaviour` in brackets):

- the start of an export answers 202 (`post_status`); a start without a body is refused (`body_required`);
- a repeated start answers with the same job (`repeat_gives_same_job`), also when it failed
  (`repeat_restarts_failed`); other markup or hyperlink options make another job (`options_make_another_job`);
- every status call mints a new link (`fresh_url_on_every_get`), which lives 120 s (`signed_url_life`; the documented
  sample says 300 s), and earlier links stay good for their own life;
- completed exports carry the deprecated `link` (`link_present`); `versionUrn` names the source file's version
  (`source_version_first`);
- project, version and export id of a status call must belong together (`status_checks_path`); a new job is known at
  once (`not_found_after_start`, `not_found_seconds`);
- an export of an ACC project answers 404 (`acc_status`), of anything that is no sheet of a Plans folder 400
  (`not_exportable_status`), of a sheet still being processed 400 (`unprocessed_status`); with `b.` before the project
  id 400; error bodies of this API are `{code, title, detail}` (`bim360_errors`);
- jobs take as long as `job_time` says; failed ones say nothing but `failed`; jobs are never forgotten;
- quota windows are fixed and begin with the simulator (`quota_window`, `quota_phase`); a refused call takes no place,
  one that a fault answers does; a 429 always says how long to wait (`retry_after_on_429`); batch-get has no quota;
- a 401 has the gateway's document or no body, in turn (`unauthorized`); a missing scope is 403 as JSON or text, in
  turn (`missing_scope`); tokens live 3,599 s (`token_life`);
- a spent refresh token ends its login (`refresh_reuse`) without any grace (`refresh_grace`), a code that comes twice
  too; refresh tokens live 15 days (`refresh_token_life`), codes 5 minutes (`code_life`); consent is asked for every
  time (`remembers_consent`); revoking a refresh token kills the login's access tokens too; `response_type=id_token` is
  not served; `/userinfo`, which has a host of its own in reality, is;
- a service account sees every project, as if it had been invited to all;
- `x-user-id` is optional (`require_user_id`), a search too (`search_needs_user`), and an unknown user gets 403;
- project ids without `b.` get 400 in Data Management; both raw and encoded brackets are taken in queries; hidden
  service folders are listed among the top folders (`hidden_service_folders`);
- ACC: a two-legged start or status without `x-user-id` is 400, with an unknown one 404; to anybody but the user who
  started it a job is 403 (`acc_initiator_status`); unknown options, ids given twice and names with a slash are refused;
  error bodies are `{code, title, detail}` with the status as `code` (`acc_errors`); a project that is none of ACC's is
  404 (`not_acc_status`); `signedUrl` and `failedFiles` stand in `result.output` (`acc_result_place`);
- ACC: the one link of a job lives an hour from the job's end, not from the first look (`acc_url_life`); a job that
  would take longer than 30 minutes, or never ends, is `failed` then, with `ERR_WORKFLOW_TIMEOUT` under a 200; a file
  that `fails` fails the whole job, unprocessed DWG and RVT files are named in `failedFiles` under words of our own
  (`ERR_NO_2D_VIEWS`, `ERR_FILE_NOT_PROCESSED`); entries of a ZIP are named after the files, `T-01 (2).pdf` on a clash;
- ACC Sheets: unpublished sheets are not listed and exporting them is 400, a deleted one 404; without `currentOnly`
  superseded sheets are listed too; `nextUrl` is absolute and relative in turn and missing on the last page;
- Cost: a token without a user gets 403 (`cost_two_legged_status`); project ids and BIM 360's old container ids both
  work (`cost_container_ids`); an association that is not known has no documents, no 404; of each template the latest
  document is told; `FormInstance` finds change orders; `filter[...]` is read and has no effect; `urn` is null until
  there is a file; a list stays a list (`cost_single_object`), ids keep their case (`cost_upper_case_ids`);
- Cost: `POST attachments` with a template starts a document of the same id; an unknown template ends it `Failed`;
  the docx lies in `COST Root Folder <project id>` as soon as it is finished, readable (`cost_folder_readable`);
- OSS: `complete` unless the world or `oss_status` says otherwise; chunks have keys `first-last` in the order of texts,
  and `sha1` is told for them too; a dead fallback address is 403; `useCdn` links are signed as CloudFront's
  (`oss_cdn`); an `If-None-Match` may name the sha1;
- derivatives: both ids must be encoded once and completely, 400 otherwise; the proxied download answers 202 while the
  export runs, the cookies 404; the `region` header need not fit (`region_needed`); a bearer on the CDN is 403;
- titles of sheets are told by batch-get only: Data Management names a sheet by its number, as in its samples;
- a range outside the object is 416, `If-Range` is ignored, and a link in any other spelling is refused (real storage
  forgives some).

Everything is served on 127.0.0.1 only. While it runs, `GET /simulator/counts`, `/simulator/log`, `/simulator/world`
and `/simulator/faults` tell what happened; `POST /simulator/faults` adds a list of faults, `DELETE` drops them;
`POST /simulator/reset` clears log and counters, `POST /simulator/revoke` revokes every token, and
`POST /simulator/user-token` with `{"user": ..., "scopes": ...}`, both optional, gives a three-legged token without a
login (`Simulator.user_token` in the same process).
"""

from .app import Simulator
from .behaviour import Behaviour, JobPolls, JobTime
from .faults import Fault, FaultError, Faults, load_faults
from .record import Seen
from .world import World, WorldError

__all__ = [
    "Behaviour",
    "Fault",
    "FaultError",
    "Faults",
    "JobPolls",
    "JobTime",
    "Seen",
    "Simulator",
    "World",
    "WorldError",
    "load_faults",
]
