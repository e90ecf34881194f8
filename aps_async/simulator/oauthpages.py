"""The authorize page: log in, agree or deny, and back to the app.

https://aps.autodesk.com/en/docs/oauth/v2
"""

import hmac
from html import escape
from urllib.parse import parse_qsl, urlencode

import attrs

from .bearers import Tokens
from .gateway import over_quota
from .oauth import new_code
from .parts import PASSWORD, App, User
from .replies import Refusal, Reply
from .routing import Call, Endpoint
from .tokens import NO_STORE, read_form, scopes_of

PATH = "/authentication/v2/authorize"
_COOKIE = "aps_simulator"
_WORDS = {
    "data:read": "Read your data",
    "data:write": "Change your data",
    "data:create": "Create data for you",
    "data:search": "Search your data",
    "viewables:read": "Look at your drawings and models",
    "user-profile:read": "See your name and e-mail address",
    "user:read": "See your account",
    "account:read": "Read the account's projects and members",
    "openid": "Know who you are",
}
_STYLE = """
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#eef1f4;color:#1b2733;
 font:16px/1.5 system-ui,sans-serif}
main{box-sizing:border-box;width:min(26rem,92vw);padding:2rem;background:#fff;border-radius:12px;
 box-shadow:0 8px 30px #1b27331f}
h1{margin:0 0 .5rem;font-size:1.35rem}
p.mark{margin:0 0 1.25rem;font-size:.8rem;color:#5b6b7a}
p.wrong{padding:.6rem .8rem;background:#fdecea;border-radius:8px;color:#8c1d18}
label{display:block;margin:.9rem 0 .25rem;font-weight:600}
input{box-sizing:border-box;width:100%;padding:.6rem;border:1px solid #b6c2cd;border-radius:8px;font:inherit}
button{margin:1.25rem .5rem 0 0;padding:.65rem 1.2rem;border:0;border-radius:8px;font:inherit;font-weight:600;
 background:#0a66c2;color:#fff;cursor:pointer}
button.quiet{background:#e3e8ed;color:#1b2733}
"""


@attrs.define
class Browsers:
    """The signed-in users by cookie."""

    users: dict[str, User] = attrs.field(factory=dict[str, User])
    agreed: set[tuple[str, str, frozenset[str]]] = attrs.field(factory=set[tuple[str, str, frozenset[str]]])


def _page(status: int, title: str, inner: str, cookie: str = "") -> Reply:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        **NO_STORE,
    }
    if cookie:
        headers["Set-Cookie"] = cookie
    body = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><main><p class="mark">Simulated sign-in. Nothing here reaches Autodesk.</p>'
        f"<h1>{escape(title)}</h1>{inner}</main></body></html>"
    )
    return Reply(status, headers, body.encode())


def _refuse(problem: str) -> Refusal:
    """An error that must not be sent to the redirect address, because the app is not known."""
    return Refusal(_page(400, "This link cannot be used", f"<p>{escape(problem)}</p>"))


def _back(call: Call, **values: str) -> Reply:
    """The redirect to the app, in the mode it asked for."""
    asked = call.query
    if "state" in asked:
        values["state"] = asked["state"]
    target, mode = asked["redirect_uri"], asked.get("response_mode", "query")
    if mode == "form_post":
        fields = "".join(f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in values.items())
        form = f'<form method="post" action="{escape(target)}">{fields}<button>Continue</button></form>'
        reply = _page(200, "Back to the app", form)
        reply.headers.pop("Content-Security-Policy")
        return reply
    mark = "#" if mode == "fragment" else "&" if "?" in target else "?"
    return Reply(302, {"Location": f"{target}{mark}{urlencode(values)}", "Referrer-Policy": "no-referrer", **NO_STORE})


def _checked(call: Call) -> tuple[App, frozenset[str]]:
    """The app and the scopes of an authorize request.

    Raises:
        Refusal: it cannot go on; where the app is known for sure, back to it.
    """
    asked = call.query
    names = [name for name, _ in parse_qsl(call.raw_query, keep_blank_values=True)]
    app = call.app = call.simulator.world.apps.get(asked.get("client_id", ""))
    if app is None:
        raise _refuse("The client_id is not known.")
    if asked.get("redirect_uri", "") not in app.redirect_uris:
        raise _refuse("The redirect_uri is not one that is registered for this app.")
    if len(names) != len(set(names)):
        raise _refuse("A parameter is given twice.")
    refused = over_quota(call)
    if refused is not None:
        raise Refusal(refused)
    error = _problem(asked, app)
    if error:
        raise Refusal(_back(call, error=error[0], error_description=error[1]))
    try:
        return app, scopes_of(asked.get("scope", ""))
    except Refusal:
        raise Refusal(
            _back(call, error="invalid_scope", error_description="The scope is missing or not known.")
        ) from None


def _problem(asked: dict[str, str], app: App) -> tuple[str, str] | None:
    if asked.get("response_type") != "code":
        return "unsupported_response_type", "The response_type must be code."
    if asked.get("response_mode", "query") not in ("query", "fragment", "form_post"):
        return "invalid_request", "The response_mode is not known."
    if asked.get("prompt", "login") not in ("login", "create"):
        return "invalid_request", "The prompt must be login or create."
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return "invalid_request", "The code_challenge_method must be S256."
    if app.public and len(asked.get("code_challenge", "")) != 43:
        return "invalid_request", "A public client needs a code_challenge."
    if "openid" in asked.get("scope", "").split() and not asked.get("nonce"):
        return "invalid_request", "The scope openid needs a nonce."
    return None


async def authorize(call: Call) -> Reply:
    """GET: the page to log in, then the page to agree."""
    app, scopes = _checked(call)
    user = _signed_in(call)
    if user is None or call.query.get("prompt"):
        return _log_in_page(call)
    if (
        call.simulator.behaviour.remembers_consent
        and (app.client_id, user.id, scopes) in call.simulator.state(Browsers).agreed
    ):
        return _back(call, code=new_code(call, app, user, scopes))
    return _consent_page(call, app, user, scopes)


async def decide(call: Call) -> Reply:
    """POST: what a person put into one of the two pages."""
    app, scopes = _checked(call)
    origin = call.request.headers.get("Origin")
    if origin is not None and origin not in ("null", f"http://{call.request.host}"):
        raise _refuse("This form was not sent from here.")
    form = await read_form(call)
    if form.get("step") == "login":
        return _log_in(call, form)
    user = _signed_in(call)
    if user is None or not hmac.compare_digest(form.get("guard", "").encode(), _guard(call).encode()):
        return _log_in_page(call, "You have been signed out. Please sign in again.")
    if form.get("decision") != "allow":
        return _back(call, error="access_denied", error_description="The user denied the request.")
    call.simulator.state(Browsers).agreed.add((app.client_id, user.id, scopes))
    return _back(call, code=new_code(call, app, user, scopes))


def _signed_in(call: Call) -> User | None:
    return call.simulator.state(Browsers).users.get(call.request.cookies.get(_COOKIE, ""))


def _guard(call: Call) -> str:
    """Ties the consent form to the browser that it was shown in."""
    return hmac.new(call.request.cookies.get(_COOKIE, "").encode(), call.raw_query.encode(), "sha256").hexdigest()


def _log_in(call: Call, form: dict[str, str]) -> Reply:
    email, password = form.get("email", "").strip().casefold(), form.get("password", "")
    users = call.simulator.world.users.values()
    user = next((user for user in users if user.email and user.email.casefold() == email), None)
    if user is None or user.password != password:
        return _log_in_page(call, "The e-mail address and the password do not go together.")
    cookie = call.simulator.state(Tokens).secret()
    call.simulator.state(Browsers).users[cookie] = user
    # The same request once more, now without the wish to log in.
    rest = [(name, value) for name, value in parse_qsl(call.raw_query, keep_blank_values=True) if name != "prompt"]
    return Reply(
        303,
        {
            "Location": f"{PATH}?{urlencode(rest)}",
            "Set-Cookie": f"{_COOKIE}={cookie}; Path=/authentication/v2; HttpOnly; SameSite=Lax",
            **NO_STORE,
        },
    )


def _log_in_page(call: Call, problem: str = "") -> Reply:
    known = [user for user in call.simulator.world.users.values() if user.email and user.password == PASSWORD]
    hint = "".join(f"<br>{escape(user.email)} &middot; {escape(user.name)}" for user in known[:5])
    new = "<p>Accounts cannot be made here.</p>" if call.query.get("prompt") == "create" else ""
    wrong = f'<p class="wrong" role="alert">{escape(problem)}</p>' if problem else ""
    inner = (
        f'{new}{wrong}<form method="post"><input type="hidden" name="step" value="login">'
        '<label for="email">E-mail</label>'
        '<input id="email" name="email" type="email" autocomplete="username" required autofocus>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" required>'
        f"<button>Sign in</button></form>"
        f"<p><small>Anybody here has the password <b>{PASSWORD}</b>:{hint}</small></p>"
    )
    return _page(200, "Sign in", inner)


def _consent_page(call: Call, app: App, user: User, scopes: frozenset[str]) -> Reply:
    rows = "".join(f"<li>{escape(_WORDS.get(name, name))}</li>" for name in sorted(scopes))
    name = escape(app.name or app.client_id)
    inner = (
        f"<p>Signed in as {escape(user.name or user.email)}.</p>"
        f"<p><b>{name}</b> would like to:</p><ul>{rows}</ul>"
        f'<form method="post"><input type="hidden" name="step" value="consent">'
        f'<input type="hidden" name="guard" value="{_guard(call)}">'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny" class="quiet">Deny</button></form>'
    )
    return _page(200, "Allow access?", inner)


async def log_out(call: Call) -> Reply:
    """GET /authentication/v2/logout."""
    call.simulator.state(Browsers).users.pop(call.request.cookies.get(_COOKIE, ""), None)
    gone = f"{_COOKIE}=; Path=/authentication/v2; Max-Age=0"
    target = call.query.get("post_logout_redirect_uri", "")
    if target and any(target in app.redirect_uris for app in call.simulator.world.apps.values()):
        return Reply(302, {"Location": target, "Set-Cookie": gone, **NO_STORE})
    return _page(200, "Signed out", "<p>You can close this page.</p>", gone)


ENDPOINTS = (
    Endpoint("authorize", "GET", PATH, None, 100, authorize),
    Endpoint("authorize_form", "POST", PATH, None, None, decide),
    Endpoint("logout", "GET", "/authentication/v2/logout", None, None, log_out),
)
