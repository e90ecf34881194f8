"""Every error that this library raises on purpose, by what the caller can do about it.

Messages contain the call, the status and the service's own words, and never a token, a secret or the query of a signed
URL.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aps_async.text import well_formed

if TYPE_CHECKING:  # importing the models would double the time of `aps-async --help`
    from aps_async.models import ExportJob, ExportRef

__all__ = [
    "APSError",
    "AuthError",
    "CallTimeoutError",
    "ClientDisconnectedError",
    "DatabaseError",
    "DecodeError",
    "DiskFullError",
    "DownloadError",
    "EmptyProjectError",
    "ExportError",
    "ExportFailedError",
    "ExportTimeoutError",
    "FolderInUseError",
    "IncompleteDownloadError",
    "InputError",
    "InterceptedError",
    "LedgerError",
    "LinkExpiredError",
    "MergeError",
    "MissingExtraError",
    "NotAllowedError",
    "NotExportableError",
    "NotFoundError",
    "NotFoundInProjectError",
    "PollTimeoutError",
    "PruneLimitError",
    "RateLimitedError",
    "RegisterError",
    "ResponseError",
    "ServerError",
    "TargetError",
    "TransportError",
    "UnauthorizedError",
    "forget_frames",
]
__dir__: object = __all__.copy


class APSError(Exception):
    """The base of all errors of this package. All of them can be copied and pickled."""

    def __init__(self, *args: object) -> None:
        # A message often quotes a path or a service, and is written to logs, ledgers and terminals.
        super().__init__(*(well_formed(each) if isinstance(each, str) else each for each in args))

    def __reduce__(self) -> tuple[Any, ...]:
        """Bypasses the constructor, whose keyword arguments the default of exceptions would lose."""
        state = {name: list(value) if name == "__notes__" else value for name, value in self.__dict__.items()}
        return _rebuilt, (type(self), self.args, state)


def forget_frames(problem: BaseException) -> None:
    """Removes the frames from an error and its causes, because their local variables contain secrets."""
    left: list[BaseException | None] = [problem]
    seen = set[int]()
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            left += [each.__cause__, each.__context__]


def _rebuilt(kind: type[APSError], args: tuple[Any, ...], state: dict[str, Any]) -> APSError:
    problem = kind.__new__(kind, *args)
    problem.args = args  # OSError, of which TimeoutError is one, leaves this to its constructor
    problem.__dict__.update(state)
    return problem


class InputError(APSError, ValueError):
    """An argument is not valid; nothing was sent. The message says what to change."""


class MissingExtraError(InputError):
    """A package is not installed that an extra of this one brings; the message has the command that installs it."""


class NotExportableError(InputError):
    """Something exists but cannot be exported this way; the message says what to use instead."""


class NotFoundInProjectError(InputError, LookupError):
    """There is no project, folder or sheet of that name or id; the message lists those that exist."""


class EmptyProjectError(NotFoundInProjectError):
    """A project has no sheets that can be exported, and its folder has none either."""


class AuthError(APSError):
    """No token could be obtained, or the service refuses even a fresh one: credentials or scopes must change."""


class TransportError(APSError):
    """No complete response arrived: the connection was refused or lost, or timed out.

    `sent` is False when the request certainly never reached the service, so that repeating it is safe. `obstacle` is
    set when there was no connection at all: `certificate` (not trusted), `tls` (the server speaks none, or another
    version), `host` (unknown), `proxy` (which refuses), `connection` (refused, or no answer). `advice` is what to check
    then; the message ends with it.
    """

    def __init__(self, message: str, *, sent: bool, obstacle: str | None = None, advice: str = "") -> None:
        super().__init__(f"{message}. {advice}" if advice else message)
        self.sent = sent
        self.obstacle = obstacle
        self.advice = advice


class CallTimeoutError(TransportError, TimeoutError):
    """The caller's own `timeout` ended a call; `__cause__` is the last error before that, if there was one."""


class ResponseError(APSError):
    """The service refused the request: a status of 400 or more."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        method: str,
        path: str,
        code: str | None = None,
        detail: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.method = method
        self.path = path
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after
        """Seconds that the service asked us to wait; None if it did not."""

    def says(self, *statuses: int) -> bool:
        """Whether the service itself answered with one of these statuses; a web filter or proxy is not the service."""
        return self.status in statuses


class UnauthorizedError(ResponseError, AuthError):
    """401 although the token was renewed: the credentials are not valid for this service (any more)."""


class NotAllowedError(ResponseError):
    """403: a scope is missing, the app is not provisioned in the account, or the user lacks the permission."""


class NotFoundError(ResponseError):
    """404: it does not exist, or this token may not see it."""


class RateLimitedError(ResponseError):
    """429 although the published quota was kept: others share the client id. See `retry_after`."""


class ServerError(ResponseError):
    """5xx, after all retries."""


class InterceptedError(ResponseError):
    """A web filter, a proxy, or the sign-in page of a network answered instead of the service, with 3xx, 4xx or 511.

    The response says nothing about credentials, access, or what exists: a 404 of this kind is not a `NotFoundError`.
    """

    def says(self, *statuses: int) -> bool:
        """See `ResponseError`: never."""
        del statuses
        return False


class DecodeError(APSError):
    """A response is not as the reference describes it.

    `garbled` is True if it was not JSON at all (a proxy's page, a truncated body), so that a retry may help.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), garbled: bool = False) -> None:
        super().__init__(message)
        self.problems = problems
        self.garbled = garbled


class ExportError(APSError):
    """An export did not finish. Wait for `ref` to continue later, in any process; `job` is its last status."""

    def __init__(self, message: str, *, ref: "ExportRef", job: "ExportJob | None" = None) -> None:
        super().__init__(message)
        self.ref = ref
        self.job = job


class ExportFailedError(ExportError):
    """The export failed at the service."""


class ExportTimeoutError(ExportError, TimeoutError):
    """The deadline passed before the export was done. It may still finish: wait again with the same `ref`."""


class PollTimeoutError(APSError, TimeoutError):
    """The deadline of `poll` passed first; the job may still finish. `__cause__` is the last error, if there was one.

    To continue the wait with the last answer: `poll(..., state=error.answer)`.
    """

    def __init__(self, message: str, *, answer: Any = None) -> None:
        super().__init__(message)
        self.answer = answer


class LedgerError(APSError):
    """A folder's ledger cannot be used: damaged, newer than this library, or not ours. The message says what to do."""


class FolderInUseError(LedgerError):
    """Another run is using this folder."""


class PruneLimitError(APSError):
    """More sheets are withdrawn than one run of a sync may move to `superseded`; none was moved."""

    def __init__(self, message: str, *, withdrawn: int = 0, allowed: int = 0) -> None:
        super().__init__(message)
        self.withdrawn = withdrawn
        self.allowed = allowed


class MergeError(APSError):
    """The sheets of a run could not be joined into one PDF; its other work is done. The cause says why."""


class DownloadError(APSError):
    """A result could not be downloaded to its target. A file that had the final name before is unchanged."""

    def __init__(self, message: str, *, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class TargetError(DownloadError):
    """The target cannot be written: no permission, not a folder, or the disk is full."""


class RegisterError(TargetError):
    """The register of a synced folder could not be written, such as while a spreadsheet has it open.

    The run's other work is done.
    """


class DiskFullError(TargetError):
    """The disk or the disk quota is full, so that every other file there would fail too."""


class LinkExpiredError(DownloadError):
    """The signed URL is refused, and so were the fresh ones."""


class IncompleteDownloadError(DownloadError):
    """The file is incomplete or not the expected one: wrong length, signature or hash, or too many lost connections."""


class ClientDisconnectedError(APSError, ConnectionError):
    """The client of a web service that streams an export disconnected before the end."""


class DatabaseError(APSError):
    """The workers' database cannot be used: it cannot be reached, refuses access, or has tables of a newer version."""
