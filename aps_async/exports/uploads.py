"""Downloads without an export: uploaded files by their URN, and a BIM 360 result by its deprecated `link`."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import overload

import aiohttp

from aps_async.arguments import check_functions
from aps_async.downloads.content import ANY, PDF, Expected
from aps_async.downloads.download import download
from aps_async.downloads.open_files import checked_target
from aps_async.errors import ExportError, InputError
from aps_async.ids import bare_id, check_project, is_web_address
from aps_async.links import SignedUrl, Source
from aps_async.models import Downloaded, ExportJob, Progress, Project, Received, Writable
from aps_async.resources import storage
from aps_async.resources.projects import find_project_id
from aps_async.session import Session
from aps_async.transport.addresses import api_url, path_of
from aps_async.transport.quotas import Endpoint

__all__ = ["DERIVATIVE", "download_link", "download_urn"]
__dir__: object = __all__.copy

# No quota is published for this call; this is that of the other download calls.
DERIVATIVE = Endpoint("derivatives.derivative", 300)


@overload
async def download_urn(
    session: Session,
    urn: str,
    target: str | os.PathLike[str],
    *,
    project: Project | str | None = None,
    user_id: str | None = None,
    expected: Expected = Expected(signatures=(ANY,)),
    on_progress: Callable[[Progress], object] | None = None,
) -> Downloaded: ...


@overload
async def download_urn(
    session: Session,
    urn: str,
    target: Writable,
    *,
    project: Project | str | None = None,
    user_id: str | None = None,
    expected: Expected = Expected(signatures=(ANY,)),
    on_progress: Callable[[Progress], object] | None = None,
) -> Received: ...


async def download_urn(
    session: Session,
    urn: str,
    target: str | os.PathLike[str] | Writable,
    *,
    project: Project | str | None = None,
    user_id: str | None = None,
    expected: Expected = Expected(signatures=(ANY,)),
    on_progress: Callable[[Progress], object] | None = None,
) -> Downloaded | Received:
    """Downloads the file behind a version, item or storage URN, as it was uploaded (scope `data:read`).

    As for an export, the download is resumed and its links are renewed. The file is verified by the size and SHA-1
    that storage reports. An upload whose parts are not merged yet is downloaded part by part.

    Args:
        session: the session.
        urn: a version's, an item's (its newest version), or `urn:adsk.objects:os.object:…`; raw, percent-encoded or
            base64; or the web address of a file.
        target: a path, or an open binary file.
        project: the project of a version or item: a `Project`, its id or its name. Not needed for a storage URN.
        user_id: the acting user of a two-legged call.
        expected: further requirements, such as that it must be a PDF.
        on_progress: called after each chunk.

    Raises:
        NotExportableError: it is a sheet, which has no file of its own; the message says what to do instead.
        InputError: this is not such a URN, or `project` is missing.
        DownloadError: the file could not be downloaded to the target; see `download`.
        APSError: as `Session.request`.
    """
    check_functions(on_progress=on_progress)
    checked_target(target)  # a bad target is reported before anything is sent
    if project is None and is_web_address(urn):
        project = bare_id(urn)
    at = storage.checked_urn(urn)
    if not storage.is_storage_urn(at):
        at = await _storage_urn(session, urn, at, project, user_id)

    async def links(_: SignedUrl | None = None) -> Source:
        return await storage.get_source(session, at, user_id=user_id)

    return await download(session, await links(), target, renew=links, expected=expected, on_progress=on_progress)


async def _storage_urn(
    session: Session, given: str, urn: str, project: Project | str | None, user_id: str | None
) -> str:
    if project is None:
        raise InputError(f"{urn!r} is known by its project only: give the project as well")
    project_id = await find_project_id(session, project, user_id=user_id)
    check_project(given, project_id)
    return await storage.find_storage(session, project_id, urn, user_id=user_id)


@overload
async def download_link(session: Session, job: ExportJob, target: str | os.PathLike[str]) -> Downloaded: ...


@overload
async def download_link(session: Session, job: ExportJob, target: Writable) -> Received: ...


async def download_link(
    session: Session, job: ExportJob, target: str | os.PathLike[str] | Writable
) -> Downloaded | Received:
    """Downloads a BIM 360 export through its deprecated `link`, which needs a token instead of a signature.

    Autodesk has given it minimal support since 2023, and not every response has one; `download_export` works without.
    Whatever host the link names, the token is only sent to this session's own API address.

    Args:
        session: the session; scope `data:read`.
        job: a finished job.
        target: a path, or an open binary file.

    Raises:
        ExportError: the job has no such link.
        DownloadError: see `download`.
        APSError: there is no token, or it cannot be used with the job's user.
    """
    if not job.deprecated_link:
        raise ExportError(f"{job.ref} has no deprecated link; use download_export()", ref=job.ref, job=job)
    try:
        path = path_of(job.deprecated_link)
        shown = SignedUrl(str(api_url(session.base_url, path)))
    except ValueError as problem:
        raise ExportError(f"{job.ref}: its deprecated link cannot be opened: {problem}", ref=job.ref, job=job) from None

    @asynccontextmanager
    async def opener(_: SignedUrl, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        async with session.open_with_token(DERIVATIVE, path, headers, user_id=job.ref.user_id) as response:
            yield response

    return await download(session, shown, target, expected=Expected(signatures=(PDF,)), opener=opener)
