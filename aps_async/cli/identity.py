"""Resolves the identity that a command acts as, from options, environment and profile, in that order."""

from collections.abc import Mapping
from typing import NamedTuple

from attrs import frozen

from aps_async.auth import ServiceAccount, StaticToken, ThreeLegged, TokenProvider, TwoLegged
from aps_async.auth.credentials import SCOPES
from aps_async.auth.service_account import key_from_file
from aps_async.cli import profiles
from aps_async.cli.exit_codes import UsageProblem
from aps_async.cli.profile_choice import chosen_by, profile_option
from aps_async.cli.profiles import DEFAULT, Profile
from aps_async.errors import AuthError, InputError
from aps_async.text import did_you_mean
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

ENVIRONMENT = "environment"
"""The name of the layer of variables."""
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
"""Keys that belong to one app: a profile's values for them are never used with another app's credentials."""


class Found(NamedTuple):
    """A value with where it was found."""

    value: str = ""
    source: str = ""
    """The name of its layer."""
    place: str = ""
    """What a user has to correct if the value is wrong, such as `APS_BASE_URL`; empty without a value."""


@frozen
class Layer:
    """One source of values."""

    name: str
    values: Mapping[str, str]

    def get(self, key: str) -> str:
        """The value of a key; empty if it has none."""
        return self.values.get(key, "").strip()

    def found(self, key: str) -> Found:
        """The value of a key with its place; nothing if it has none."""
        value = self.get(key)
        place = VARIABLES[key] if self.name == ENVIRONMENT else f"{key} in the {self.name}"
        return Found(value, self.name, place) if value else Found()

    def is_for_another_app(self, client_id: str) -> bool:
        """Whether its values belong to another app; a layer without a client id fits every app."""
        return bool(client_id) and self.get("client_id") not in ("", client_id)


@frozen(kw_only=True)
class Sources:
    """All layers, in the order in which they are searched."""

    profile: Profile
    profile_label: str
    """The profile's name and what selected it."""
    environment: Layer
    own: Layer
    """The profile's values."""
    layers: tuple[Layer, ...]

    def find(self, key: str, down_to: Layer | None = None, *, client_id: str = "") -> Found:
        """The first value found, and where; empty strings if there is none.

        Args:
            key: a key of `VARIABLES`.
            down_to: the last layer to search.
            client_id: the app in use; the profile's values for another app are skipped (see `OF_AN_APP`).
        """
        for layer in self.layers:
            skipped = layer is self.own and key in OF_AN_APP and layer.is_for_another_app(client_id)
            if (found := layer.found(key)).value and not skipped:
                return found
            if layer is down_to:
                break
        return Found()

    def secret(self, client_id: str) -> str:
        """The app's secret, from the environment or from the file that the profile names.

        Raises:
            InputError: the file cannot be read.
        """
        found = self.secret_or_file(client_id)
        if found.source in ("", ENVIRONMENT):
            return found.value
        return key_from_file(found.value, "the app's secret").strip()

    def secret_or_file(self, client_id: str) -> Found:
        """The app's secret in the environment, or else the name of the profile's file with it."""
        found, file = (
            Found() if layer.is_for_another_app(client_id) else layer.found(key)
            for layer, key in ((self.environment, "client_secret"), (self.own, "client_secret_file"))
        )
        return found if found.value else file


@frozen(kw_only=True)
class Identity:
    """What a command acts as, with the layer that each part was found in."""

    kind: str
    tokens: TokenProvider
    client_id: str
    profile: Profile
    source: str
    base_url: str
    base_url_source: str
    user_id: str
    user_id_source: str
    places: Mapping[str, str]
    """Where base address, user, client id, secret and scopes were set, by key of `VARIABLES`; empty if they were not.
    """


def sources(environ: Mapping[str, str], *, may_be_new: bool = False) -> Sources:
    """The layers to search.

    Raises:
        AuthError: the named profile does not exist; not raised with `may_be_new`.
        InputError: the profile's file cannot be read.
    """
    option, variable = profile_option.get(), environ.get("APS_PROFILE", "").strip()
    if option is not None and not option.strip():
        raise UsageProblem(f"{chosen_by.get()} is empty: give the name of a profile, or leave it out")
    name = option or variable or DEFAULT
    by = chosen_by.get() if option else "APS_PROFILE" if variable else "by default"
    try:
        found = profiles.read(name)
    except UsageProblem as problem:
        raise UsageProblem(f"{by}: {problem}") from None
    except InputError:
        if option or variable or may_be_new:
            raise
        found = None  # the profile was not asked for, so an unreadable one must not stop commands that do not need it
    if found is None and (option or variable) and not may_be_new:
        raise AuthError(
            f"there is no profile {name!r} ({by}); {did_you_mean(name, profiles.names())}. To create it, run: "
            f"aps-async --profile {name} login"
        )
    profile = found or Profile(name)
    environment = Layer(ENVIRONMENT, {key: environ.get(variable, "") for key, variable in VARIABLES.items()})
    own = Layer(f"profile {name}", profile.values)
    layers = (own, environment) if option else (environment, own)
    return Sources(profile=profile, profile_label=f"{name} ({by})", environment=environment, own=own, layers=layers)


def service_address(asked: Sources, layer: Layer | None = None) -> Found:
    """The base address. With the credentials of a layer, it comes from that layer or an earlier one."""
    found = asked.find("base_url", layer)
    return found if found.value else Found(PRODUCTION, "by default")


def credentials_layer(asked: Sources) -> Layer | None:
    """The first layer with credentials."""
    return next((layer for layer in asked.layers if _kind_of(layer, asked)), None)


def identity(environ: Mapping[str, str], user_id: str | None = None, *, user_id_place: str = "--user-id") -> Identity:
    """The identity to act as: that of the first layer with credentials.

    Args:
        environ: the environment variables.
        user_id: the user to act for, where an option or a file names one.
        user_id_place: that option, or that place in the file.

    Raises:
        AuthError: no layer has credentials, or they are incomplete.
        InputError: a value cannot be used.
    """
    asked = sources(environ)
    layer = credentials_layer(asked)
    if layer is None:
        if asked.find("client_id").value or asked.find("client_secret").value:
            TwoLegged.from_env(environ)  # its error names what is missing
        raise AuthError(NO_CREDENTIALS)
    kind, client = _kind_of(layer, asked), asked.find("client_id")
    given = (user_id or "").strip() if user_id != environ.get(VARIABLES["user_id"]) else ""
    user = asked.find("user_id", layer, client_id=client.value)
    user = Found(given, user_id_place, user_id_place) if given else user
    base = service_address(asked, layer)
    return Identity(
        kind=kind,
        tokens=_tokens(kind, client.value, layer, asked),
        client_id=client.value,
        profile=asked.profile,
        source=layer.name,
        base_url=base.value,
        base_url_source=base.source,
        user_id=user.value,
        user_id_source=user.source,
        places={
            "base_url": base.place,
            "user_id": user.place,
            "client_id": client.place,
            "client_secret": asked.secret_or_file(client.value).place,
            "scopes": asked.find("scopes", layer, client_id=client.value).place,
        },
    )


def _kind_of(layer: Layer, asked: Sources) -> str:
    """The kind of credentials that a layer has; empty if it has none."""
    if layer is not asked.environment:
        return layer.get("kind") or ("user" if layer.get("client_id") else "")
    if layer.get("access_token"):
        return "token"
    if layer.get("service_account_id"):
        return "service-account"
    return "app" if layer.get("client_id") and layer.get("client_secret") else ""


def scopes_for(kind: str, asked: Sources, client_id: str, layer: Layer | None = None) -> tuple[str, ...]:
    """The scopes to request for this app. With `layer`, later layers are not searched.

    The default for users has `user-profile:read` too, with which `whoami` shows the user's name.
    """
    found = tuple(asked.find("scopes", layer, client_id=client_id).value.split())
    return found or (SCOPES if kind == "app" else (*SCOPES, "user-profile:read"))


def _tokens(kind: str, client_id: str, layer: Layer, asked: Sources) -> TokenProvider:
    if kind == "token":
        try:
            return StaticToken(layer.get("access_token"))
        except InputError as problem:
            raise AuthError(f"APS_ACCESS_TOKEN: {problem}") from None
    if not client_id:
        raise AuthError(f"{layer.name} has no client id: set APS_CLIENT_ID, or client_id in the profile")
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
        asked.find(f"service_account_{name}", client_id=client_id).value for name in ("id", "key_id", "key", "key_file")
    )
    if not account or not key_id or not (text or file):
        raise AuthError(
            "the service account is incomplete: set APS_SERVICE_ACCOUNT_ID, APS_SERVICE_ACCOUNT_KEY_ID and "
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
    """The user's login of an identity.

    Raises:
        UsageProblem: the identity is not a user who has logged in.
    """
    if not isinstance(identity.tokens, ThreeLegged):
        raise UsageProblem(
            f"the credentials come from the {identity.source} ({identity.kind}) and are not a login; choose a profile "
            "with a login: --profile NAME"
        )
    return identity.tokens
