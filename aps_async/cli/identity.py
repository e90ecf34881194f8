"""Who a command acts as: from options, environment and profile, in that order."""

from collections.abc import Mapping

from attrs import frozen

from aps_async.auth import ServiceAccount, StaticToken, ThreeLegged, TokenProvider, TwoLegged
from aps_async.auth.credentials import SCOPES
from aps_async.auth.service_account import key_from_file
from aps_async.cli import profiles
from aps_async.cli.failures import UsageProblem
from aps_async.cli.options import profile_option
from aps_async.cli.profiles import DEFAULT, Profile
from aps_async.errors import AuthError, InputError
from aps_async.transport.request import PRODUCTION

NO_CREDENTIALS = (
    "no credentials: sign in with 'aps-async login', or set APS_CLIENT_ID and APS_CLIENT_SECRET to your app's "
    "(aps.autodesk.com/myapps), or APS_ACCESS_TOKEN to a token; to try without an account, run 'aps-async simulate'"
)

VARIABLES = {
    "access_token": "APS_ACCESS_TOKEN",
    "client_id": "APS_CLIENT_ID",
    "client_secret": "APS_CLIENT_SECRET",
    "base_url": "APS_BASE_URL",
    "user_id": "APS_USER_ID",
    "callback": "APS_CALLBACK_URL",
    "scopes": "APS_SCOPES",
    "service_account_id": "APS_SERVICE_ACCOUNT_ID",
    "service_account_key_id": "APS_SERVICE_ACCOUNT_KEY_ID",
    "service_account_key": "APS_SERVICE_ACCOUNT_KEY",
    "service_account_key_file": "APS_SERVICE_ACCOUNT_KEY_FILE",
}


OF_AN_APP = frozenset(
    {
        "callback",
        "scopes",
        "service_account_id",
        "service_account_key_id",
        "service_account_key",
        "service_account_key_file",
        "client_secret",
        "client_secret_file",
        "user_id",
    }
)
"""What goes with one app: a profile's is never used with the credentials of another."""


@frozen
class Layer:
    """One place that says things."""

    words: str
    values: Mapping[str, str]

    def get(self, key: str) -> str:
        """What it says; empty when it says nothing."""
        return self.values.get(key, "").strip()

    def is_for_another_app(self, client_id: str) -> bool:
        """Whether its values are another app's; a layer that names no app goes with any."""
        return bool(client_id) and self.get("client_id") not in ("", client_id)


@frozen(kw_only=True)
class Sources:
    """The places in the order in which they are asked."""

    profile: Profile
    profile_words: str
    environment: Layer
    own: Layer
    """The profile's."""
    layers: tuple[Layer, ...]

    def find(self, key: str, down_to: Layer | None = None, *, client_id: str = "") -> tuple[str, str]:
        """The first value, and its layer's words.

        Args:
            key: of `VARIABLES`.
            down_to: layers below this one are not asked.
            client_id: the app in use; what the profile has for another app is passed over (see `OF_AN_APP`).
        """
        for layer in self.layers:
            strange = layer is self.own and key in OF_AN_APP and layer.is_for_another_app(client_id)
            if (found := layer.get(key)) and not strange:
                return found, layer.words
            if layer is down_to:
                break
        return "", ""

    def secret(self, client_id: str) -> str:
        """The app's secret, from the environment or from the file that the profile names."""
        found, file = (
            "" if layer.is_for_another_app(client_id) else layer.get(key)
            for layer, key in ((self.environment, "client_secret"), (self.own, "client_secret_file"))
        )
        return found or (key_from_file(file, "the app's secret").strip() if file else "")


@frozen(kw_only=True)
class Identity:
    """Who a command acts as, and who said so."""

    kind: str
    tokens: TokenProvider
    client_id: str
    profile: Profile
    said_by: str
    base_url: str
    base_url_said_by: str
    user_id: str
    user_id_said_by: str


def sources(environ: Mapping[str, str], *, may_be_new: bool = False) -> Sources:
    """The places to ask.

    Raises:
        AuthError: the named profile is not there; not with `may_be_new`.
        InputError: its file cannot be read.
    """
    option, variable = profile_option.get(), environ.get("APS_PROFILE", "").strip()
    name = option or variable or DEFAULT
    by = "--profile" if option else "APS_PROFILE" if variable else "by default"
    try:
        found = profiles.read(name)
    except InputError:
        if option or variable or may_be_new:
            raise
        found = None  # nobody has asked for a profile, so none of its troubles may stop the others
    if found is None and (option or variable) and not may_be_new:
        there = ", ".join(profiles.names()) or "none yet"
        raise AuthError(
            f"there is no profile {name!r} ({by}); there are: {there}. Make it: aps-async --profile {name} login"
        )
    profile = found or Profile(name)
    environment = Layer("environment", {key: environ.get(variable, "") for key, variable in VARIABLES.items()})
    own = Layer(f"profile {name}", profile.values)
    layers = (own, environment) if option else (environment, own)
    return Sources(profile=profile, profile_words=f"{name} ({by})", environment=environment, own=own, layers=layers)


def identity(environ: Mapping[str, str], user_id: str | None = None) -> Identity:
    """Who to act as. The first place that has credentials decides, and its address, or one said before it, is used.

    Raises:
        AuthError: nobody has any, or they are not complete.
        InputError: something that is said cannot be used.
    """
    asked = sources(environ)
    for layer in asked.layers:
        kind = _kind_of(layer, asked)
        if kind:
            break
    else:
        if asked.find("client_id")[0] or asked.find("client_secret")[0]:
            TwoLegged.from_env(environ)  # which says what is missing
        raise AuthError(NO_CREDENTIALS)
    base_url, by = asked.find("base_url", layer)
    client_id = asked.find("client_id")[0]
    given = user_id if user_id != asked.environment.get("user_id") else ""
    user, user_by = (given, "--user-id") if given else asked.find("user_id", layer, client_id=client_id)
    return Identity(
        kind=kind,
        tokens=_tokens(kind, client_id, layer, asked),
        client_id=client_id,
        profile=asked.profile,
        said_by=layer.words,
        base_url=base_url or PRODUCTION,
        base_url_said_by=by or "by default",
        user_id=user,
        user_id_said_by=user_by,
    )


def _kind_of(layer: Layer, asked: Sources) -> str:
    """What kind of credentials a layer has; empty for none."""
    if layer is not asked.environment:
        return layer.get("kind") or ("user" if layer.get("client_id") else "")
    if layer.get("access_token"):
        return "token"
    if layer.get("service_account_id"):
        return "service-account"
    return "app" if layer.get("client_id") and layer.get("client_secret") else ""


def scopes_for(kind: str, asked: Sources, client_id: str, layer: Layer | None = None) -> tuple[str, ...]:
    """What tokens are requested for: the scopes that go with this app and, if given, come no later than the layer of
    its credentials. `whoami` needs one for a user's name."""
    said = tuple(asked.find("scopes", layer, client_id=client_id)[0].split())
    return said or (SCOPES if kind == "app" else (*SCOPES, "user-profile:read"))


def _tokens(kind: str, client_id: str, layer: Layer, asked: Sources) -> TokenProvider:
    if kind == "token":
        try:
            return StaticToken(layer.get("access_token"))
        except InputError as problem:
            raise AuthError(f"APS_ACCESS_TOKEN: {problem}") from None
    if not client_id:
        raise AuthError(f"{layer.words} names no client id: set APS_CLIENT_ID, or client_id in the profile")
    secret = asked.secret(client_id)
    if kind == "user":
        return ThreeLegged(client_id, client_secret=secret or None, store=asked.profile.store)
    if not secret:
        raise AuthError(
            f"no secret for client id {client_id}: set APS_CLIENT_SECRET, or client_secret_file in the profile"
        )
    if kind == "app":
        return TwoLegged(client_id, secret, scopes=scopes_for(kind, asked, client_id, layer))
    return _service_account(client_id, secret, layer, asked)


def _service_account(client_id: str, secret: str, layer: Layer, asked: Sources) -> ServiceAccount:
    account, key_id, text, file = (
        asked.find(f"service_account_{name}", client_id=client_id)[0] for name in ("id", "key_id", "key", "key_file")
    )
    if not account or not key_id or not (text or file):
        raise AuthError(
            "the service account is not complete: set APS_SERVICE_ACCOUNT_ID, APS_SERVICE_ACCOUNT_KEY_ID and "
            "APS_SERVICE_ACCOUNT_KEY_FILE (or APS_SERVICE_ACCOUNT_KEY), or the same in the profile"
        )
    return ServiceAccount(
        client_id,
        secret,
        account_id=account,
        key_id=key_id,
        private_key=text.replace("\\n", "\n") if text else key_from_file(file),
        scopes=scopes_for("service-account", asked, client_id, layer),
    )


def three_legged(identity: Identity) -> ThreeLegged:
    """The user's login behind an identity.

    Raises:
        UsageProblem: it is no user's.
    """
    if not isinstance(identity.tokens, ThreeLegged):
        raise UsageProblem(
            f"the credentials come from the {identity.said_by} ({identity.kind}) and are no login; name the profile of "
            "a login with --profile"
        )
    return identity.tokens
