"""A web app: every visitor signs in at Autodesk's and sees their own projects.

Each visitor has a store of their own. The visitor's browser holds a random number and nothing else; the request for
authorization and the tokens stay on the server.
"""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web
from attrs import define, field

from aps_async import Session
from aps_async.auth import AppCredentials, AuthorizationRequest, FileStore, ThreeLegged
from aps_async.errors import AuthError
from aps_async.resources.projects import list_hubs, list_projects

COOKIE = "visitor"


@define
class Site:
    """One per process. Other processes may share the folder: renewals go through each store's lock."""

    app: AppCredentials
    base_url: str
    redirect_uri: str
    folder: Path
    http: aiohttp.ClientSession | None = None
    begun: dict[str, AuthorizationRequest] = field(factory=dict)

    def tokens(self, visitor: str) -> ThreeLegged:
        store = FileStore(self.folder / f"{visitor}.json")
        return ThreeLegged(self.app.client_id, client_secret=self.app.client_secret, store=store)

    def session(self, visitor: str) -> Session:
        return Session(self.tokens(visitor), base_url=self.base_url, http=self.http)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """One pool of connections for all visitors."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as self.http:
            yield

    async def login(self, _: web.Request) -> web.StreamResponse:
        visitor = secrets.token_hex(16)
        request = AuthorizationRequest.new(self.app, redirect_uri=self.redirect_uri, scopes=["data:read"])
        self.begun[visitor] = request
        response = web.HTTPFound(request.url(self.base_url))
        response.set_cookie(COOKIE, visitor, httponly=True, samesite="Lax")  # and secure=True behind https
        raise response

    async def callback(self, http_request: web.Request) -> web.StreamResponse:
        visitor = http_request.cookies.get(COOKIE, "")
        request = self.begun.pop(visitor, None)  # once: a replay finds nothing
        if request is None:
            raise web.HTTPBadRequest(text="Please sign in again.")
        async with self.session(visitor) as session:
            # The address is put together from what is known, since a proxy may have changed what is seen here.
            redirected = f"{self.redirect_uri}?{http_request.query_string}"
            try:
                await self.tokens(visitor).keep(await request.finish(session, self.app, redirected))
            except AuthError as problem:
                raise web.HTTPForbidden(text=str(problem)) from None
        raise web.HTTPFound("/")

    async def projects(self, http_request: web.Request) -> web.StreamResponse:
        visitor = http_request.cookies.get(COOKIE, "")
        if len(visitor) != 32 or not visitor.isalnum():
            raise web.HTTPFound("/login")
        try:
            async with self.session(visitor) as session:
                hubs = (await list_hubs(session)).hubs
                names = [each.name for hub in hubs async for each in list_projects(session, hub.id)]
        except AuthError:
            raise web.HTTPFound("/login") from None
        return web.json_response(names)


def make(app: AppCredentials, base_url: str, redirect_uri: str, folder: Path) -> web.Application:
    site = Site(app, base_url, redirect_uri, folder)
    application = web.Application()
    application.cleanup_ctx.append(site.running)
    application.router.add_get("/", site.projects)
    application.router.add_get("/login", site.login)
    application.router.add_get("/callback", site.callback)
    return application
