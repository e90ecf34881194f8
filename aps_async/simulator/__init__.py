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
- titles of sheets are told by batch-get only: Data Management names a sheet by its number, as in its samples;
- a range outside the object is 416, `If-Range` is ignored, and a link in any other spelling is refused (real storage
  forgives some).

Everything is served on 127.0.0.1 only. While it runs, `GET /simulator/counts`, `/simulator/log`, `/simulator/world`
and `/simulator/faults` tell what happened; `POST /simulator/faults` adds a list of faults, `DELETE` drops them;
`POST /simulator/reset` clears log and counters, `POST /simulator/revoke` revokes every token.
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
