"""What each endpoint is asked and answers, as the documentation has it: one row per endpoint.

A new endpoint needs a row in `CONTRACT`; the tests fail without one.
"""

from collections.abc import Mapping

import attrs

from tests.simulator.schema import (
    BOOL,
    FILLED,
    STR,
    URL,
    UUID,
    Schema,
    arr,
    closed,
    enum,
    obj,
    text,
)
from tests.simulator.shapes import (
    ABOUT_TOKEN,
    ACC_DONE,
    ACC_FAILED,
    ACC_PART,
    ACC_RUNS,
    ACCOUNT,
    ASSOCIATION,
    ATTACHMENT,
    ATTACHMENT_BODY,
    AUTHORIZE,
    BATCH,
    BIM360_JOB,
    COLLECTION,
    COOKIES,
    COOKIES_QUERY,
    COST_DOCUMENT,
    COST_ERROR,
    COST_KINDS,
    COST_PAGINATION,
    DIAGNOSTIC,
    DIGITS,
    DISCOVERY,
    DM_ERROR,
    DOWNLOAD,
    DOWNLOAD_QUERY,
    FLAG,
    FOLDER,
    FOLDER_OR_ITEM,
    GATEWAY,
    HUB,
    ITEM,
    JSONAPI,
    KEY,
    NEW_STATUS,
    OPTIONS,
    PAGES,
    PAGINATION,
    PERSON,
    PLAIN_ERROR,
    PROJECT,
    REASON,
    REFERENCE,
    SELF,
    SHEET,
    SHEETS_QUERY,
    SSA_ERROR,
    TOKEN,
    TOKEN_ERROR,
    TOKEN_FORM,
    URN_ITEM,
    URN_VERSION,
    VERSION,
    VERSION_SET,
    WARNINGS,
    either,
)


@attrs.frozen(kw_only=True)
class Contract:
    """One endpoint's requests and responses."""

    ok: Mapping[int, Schema | None] = attrs.field(factory=dict)
    """Schemas of the successful responses by status; None: the body is not JSON."""
    errors: Schema = attrs.field(factory=dict)
    query: Mapping[str, Schema] = attrs.field(factory=dict)
    """Parameters by name; a name that ends in `[` stands for all that begin with it."""
    required: tuple[str, ...] = ()
    """Parameters that must be there."""
    body: Schema | None = None
    """Of the JSON body; None: there is none."""
    form: Schema | None = None
    user_header: bool = True
    """Whether `x-user-id` may be sent."""
    bearer: bool = True


def dm(
    data: Schema, *, links: Schema | None = SELF, query: Mapping[str, Schema] | None = None, **more: Schema
) -> Contract:
    """An endpoint of Data Management that answers with `data`."""
    needed = {"jsonapi": JSONAPI, "data": data} | ({} if links is None else {"links": links})
    return Contract(ok={200: obj(needed, **more)}, errors=either(DM_ERROR), query=query or {})


PAGE = {"page[number]": DIGITS, "page[limit]": text(r"\A([1-9]\d?|1\d\d|200)\Z"), "filter[": STR}
REFS = dm(arr(REFERENCE), links=None, included=arr(VERSION), query={"filter[": STR})
RELATED = dm(arr(VERSION), query={"filter[": STR})
NO_LINKS = dm(arr(obj({"type": enum("links"), "id": STR})))


def acc_start(name: str, entry: Schema, most: int) -> Contract:
    """The start of an ACC export of these things."""
    wanted = {**arr(entry, 1, most), "uniqueItems": True}
    return Contract(ok={202: ACC_RUNS}, errors=either(PLAIN_ERROR), body=closed({name: wanted}, options=OPTIONS))


def acc_list(entry: Schema, *names: str) -> Contract:
    """A paged list of ACC."""
    return Contract(
        ok={200: obj({"results": arr(entry), "pagination": PAGINATION})},
        errors=either(PLAIN_ERROR),
        query={name: SHEETS_QUERY[name] for name in ("offset", "limit", *names)},
    )


def cost_list(query: Mapping[str, Schema] | None = None) -> Contract:
    """A paged list of Cost Management."""
    paging = {name: SHEETS_QUERY[name] for name in ("offset", "limit")}
    return Contract(
        ok={200: obj({"results": arr(ASSOCIATION), "pagination": COST_PAGINATION})},
        errors=either(COST_ERROR),
        query={**paging, "filter[id]": text(r"\A[0-9a-fA-F-]{36}(,[0-9a-fA-F-]{36})*\Z"), **(query or {})},
        user_header=False,
    )


def form(schema: Schema, answer: Schema | None) -> Contract:
    """An endpoint that takes a form with the client's credentials."""
    return Contract(ok={200: answer}, errors=TOKEN_ERROR, form=schema, user_header=False, bearer=False)


def accounts(status: int, answer: Schema | None, body: Schema | None = None) -> Contract:
    """An endpoint of service accounts."""
    return Contract(ok={status: answer}, errors=SSA_ERROR, body=body, user_header=False)


def public(answer: Schema | None, query: Mapping[str, Schema] | None = None, form: Schema | None = None) -> Contract:
    """An endpoint without a bearer; pages and redirects have no JSON."""
    ok = {200: answer, 302: None, 303: None, 400: None}
    return Contract(ok=ok, bearer=False, user_header=False, query=query or {}, form=form)


CONTRACT: dict[str, Contract] = {
    "hubs": dm(arr(HUB), meta=WARNINGS, query={"filter[": STR}),
    "hub": dm(HUB),
    "projects": dm(arr(PROJECT), links=PAGES, query=PAGE),
    "project": dm(PROJECT),
    "project_hub": dm(HUB),
    "top_folders": dm(arr(FOLDER), query={"excludeDeleted": FLAG, "projectFilesOnly": FLAG}),
    "folder": dm(FOLDER),
    "folder_contents": dm(
        arr(FOLDER_OR_ITEM), links=PAGES, included=arr(VERSION), query={**PAGE, "includeHidden": FLAG}
    ),
    "folder_search": dm(arr(VERSION), links=PAGES, included=arr(ITEM), query={"page[number]": DIGITS, "filter[": STR}),
    "item": dm(ITEM, included=arr(VERSION, 1), query={"includePathInProject": FLAG}),
    "item_tip": dm(VERSION, links=None),
    "item_versions": dm(arr(VERSION, 1), links=PAGES, query=PAGE),
    "version": dm(VERSION),
    "folder_parent": dm(FOLDER),
    "item_parent": dm(FOLDER),
    "version_item": dm(ITEM, included=arr(VERSION, 1)),
    "folder_refs": RELATED,
    "item_refs": RELATED,
    "version_related": RELATED,
    "folder_relationship_refs": REFS,
    "item_relationship_refs": REFS,
    "version_refs": REFS,
    "folder_links": NO_LINKS,
    "item_links": NO_LINKS,
    "version_links": NO_LINKS,
    "download_formats": dm(obj({"type": enum("downloadFormats"), "id": STR, "attributes": obj({"formats": arr({})})})),
    "downloads": dm(arr({})),
    "export_start": Contract(
        ok={200: BIM360_JOB, 201: BIM360_JOB, 202: BIM360_JOB},
        errors=either(PLAIN_ERROR),
        body=closed(None, includeMarkups=BOOL, includeHyperlinks=BOOL),
    ),
    "export_status": Contract(ok={200: BIM360_JOB}, errors=either(PLAIN_ERROR)),
    "batch_get": Contract(
        ok={200: BATCH},
        errors=either(PLAIN_ERROR),
        body=closed({"urns": arr({"anyOf": [URN_VERSION, URN_ITEM]}, 1, 50)}),
    ),
    "files_export_start": acc_start("fileVersions", URN_VERSION, 200),
    "files_export_status": Contract(
        ok={200: {"anyOf": [ACC_RUNS, ACC_DONE, ACC_PART, ACC_FAILED]}}, errors=either(PLAIN_ERROR)
    ),
    "sheets_export_start": acc_start("sheets", UUID, 1000),
    "sheets_export_status": Contract(ok={200: {"anyOf": [ACC_RUNS, ACC_DONE, ACC_FAILED]}}, errors=either(PLAIN_ERROR)),
    "version_sets": acc_list(VERSION_SET, "sort", "collectionId"),
    "collections": acc_list(COLLECTION),
    "collection": Contract(ok={200: COLLECTION}, errors=either(PLAIN_ERROR)),
    "sheets_batch_get": Contract(
        ok={200: obj({"results": arr(SHEET)})},
        errors=either(PLAIN_ERROR),
        body=closed({"ids": {**arr(UUID, 1), "uniqueItems": True}}),
    ),
    "sheets_list": acc_list(SHEET, *SHEETS_QUERY),
    "cost_documents": Contract(
        ok={200: {"anyOf": [arr(COST_DOCUMENT), COST_DOCUMENT]}},
        errors=either(COST_ERROR),
        query={
            "associationId": text(r"\A[0-9a-fA-F-]{36}(,[0-9a-fA-F-]{36})*\Z"),
            "associationType": COST_KINDS,
            "filter[latest]": FLAG,
            "filter[signed]": FLAG,
        },
        required=("associationId", "associationType"),
        user_header=False,
    ),
    **{f"cost_{name}": cost_list() for name in ("budgets", "contracts", "main_contracts", "items", "expenses")},
    "cost_payments": cost_list({"filter[associationType]": enum("Contract", "MainContract")}),
    "cost_change_orders": cost_list(),
    "cost_attachments": Contract(
        ok={201: ATTACHMENT}, errors=either(COST_ERROR), body=ATTACHMENT_BODY, user_header=False
    ),
    "signeds3download": Contract(ok={200: DOWNLOAD, 304: None}, errors=either(REASON), query=DOWNLOAD_QUERY),
    "oss_get": Contract(ok={200: None, 206: None}, errors=REASON, query={"region": STR}, bearer=False),
    **{
        f"signedcookies{suffix}": Contract(ok={200: COOKIES}, errors=either(DIAGNOSTIC), query=COOKIES_QUERY)
        for suffix in ("", "_eu")
    },
    **{
        f"derivative{suffix}": Contract(ok={200: None, 202: None, 206: None}, errors=either(DIAGNOSTIC))
        for suffix in ("", "_eu")
    },
    "token": form(TOKEN_FORM, TOKEN),
    "revoke": form(obj({"token": FILLED, "token_type_hint": enum("access_token", "refresh_token")}), None),
    "introspect": form(obj({"token": FILLED}), ABOUT_TOKEN),
    "keys": public(obj({"keys": arr(obj(dict.fromkeys(("kty", "kid", "n", "e"), FILLED)), 1)})),
    "openid_configuration": public(DISCOVERY),
    "userinfo": Contract(ok={200: PERSON}, errors=GATEWAY, user_header=False),
    "authorize": public(None, AUTHORIZE),
    "authorize_form": public(None, AUTHORIZE, obj({"step": enum("login", "consent")})),
    "logout": public(None, {"post_logout_redirect_uri": URL}),
    "service_account_create": accounts(
        201,
        obj({"serviceAccountId": FILLED, "email": text("@")}),
        closed({"name": text(r"\A[A-Za-z0-9-]{5,100}\Z"), "firstName": FILLED, "lastName": FILLED}),
    ),
    "service_account_list": accounts(200, obj({"serviceAccounts": arr(ACCOUNT)})),
    "service_account": accounts(200, ACCOUNT),
    "service_account_change": accounts(200, ACCOUNT, NEW_STATUS),
    "service_account_delete": accounts(204, None),
    "service_account_key_create": accounts(201, obj({"kid": UUID, "privateKey": text("PRIVATE KEY")})),
    "service_account_key_list": accounts(200, obj({"keys": arr(KEY)})),
    "service_account_key_change": accounts(204, None, NEW_STATUS),
    "service_account_key_delete": accounts(204, None),
}
