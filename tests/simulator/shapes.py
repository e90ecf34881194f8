"""The documents of the services, as the documentation has them."""

from typing import Any

from tests.simulator.schema import (
    BOOL,
    COUNT,
    FILLED,
    HREF,
    INT,
    STR,
    TIME,
    URL,
    UUID,
    Schema,
    arr,
    closed,
    enum,
    null_or,
    obj,
    text,
)

DIGITS, FLAG = text(r"\A\d+\Z"), text(r"\A(true|false)\Z")
URN_ITEM = text(r"\Aurn:adsk\.[a-z0-9]+:dm\.lineage:[\w-]+\Z")
URN_VERSION = text(r"\Aurn:adsk\.[a-z0-9]+:fs\.file:vf\.[\w-]+\?version=\d+\Z")
URN_FOLDER = text(r"\Aurn:adsk\.[a-z0-9]+:fs\.folder:co\.[\w-]+\Z")
B_ID = text(r"\Ab\.[0-9a-f-]{36}\Z")
ANY_PROJECT = text(r"\A(b\.)?[0-9a-fA-F-]{36}\Z")
B64 = text(r"\A[\w-]+\Z")
PARAMS: dict[str, Schema] = {
    "hub": text(r"\Ab\.\S+\Z"),
    "project": ANY_PROJECT,
    "container": UUID,
    "kind": enum("pco", "rfq", "rco", "oco", "sco"),
    "folder": URN_FOLDER,
    "item": URN_ITEM,
    "version": URN_VERSION,
    "export": UUID,
    "bucket": text(r"\A[-_.a-z0-9]{3,128}\Z"),
    "key": FILLED,
    "urn": B64,
    "derivative": text(r"\Aurn:adsk\.viewing:fs\.file:[\w-]+/output/\S+\Z"),
    "collection": UUID,
    "account": FILLED,
    "id": FILLED,
}

# ---------------------------------------------------------------- errors

GATEWAY = obj({"developerMessage": STR}, userMessage=STR, errorCode=STR)
OAUTH = closed({"error": FILLED, "error_description": STR})
DM_ERROR = obj(
    {
        "jsonapi": obj({"version": enum("1.0")}),
        "errors": arr(obj({"id": UUID, "status": text(r"\A[45]\d\d\Z"), "detail": STR}, code=STR, title=STR), 1),
    }
)
PLAIN_ERROR = obj({"code": STR, "title": STR, "detail": STR})
COST_ERROR = obj(
    {"status": INT, "message": STR},
    title=STR,
    detail=STR,
    errors=arr(obj({"field": STR, "code": STR, "title": STR, "detail": STR})),
)
REASON = obj({"reason": STR})
DIAGNOSTIC = obj({"diagnostic": STR})


def either(*schemas: Schema) -> dict[str, Any]:
    """One of these, or what the gateway says."""
    return {"anyOf": [*schemas, GATEWAY]}


# ---------------------------------------------------------------- Data Management

LINK = obj({"href": HREF})
SELF = obj({"self": LINK})
PAGES = obj({"self": LINK}, first=LINK, prev=LINK, next=LINK)
JSONAPI = obj({"version": enum("1.0")})
REGION = enum("US", "EMEA", "AUS", "CAN", "DEU", "IND", "JPN", "GBR")


def extension(*kinds: str) -> dict[str, Any]:
    """An extension of one of these types."""
    return obj({"type": enum(*kinds), "version": text(r"\A\d+\.\d+"), "schema": LINK}, data=obj())


def relation(kind: str, identity: Schema = FILLED) -> dict[str, Any]:
    """A relationship to one resource."""
    return obj({"data": closed({"type": enum(kind), "id": identity}), "links": obj({"related": LINK})})


PEOPLE = dict.fromkeys(("createUserId", "createUserName", "lastModifiedUserId", "lastModifiedUserName"), FILLED)
TIMES = {"createTime": TIME, "lastModifiedTime": TIME}
REFERENCES = {"refs": obj({"links": obj({"self": LINK, "related": LINK})}), "links": obj({"links": SELF})}
HUB = obj(
    {
        "type": enum("hubs"),
        "id": PARAMS["hub"],
        "attributes": obj({"name": STR, "region": REGION, "extension": extension("hubs:autodesk.bim360:Account")}),
        "links": SELF,
        "relationships": obj({"projects": obj({"links": obj({"related": LINK})})}),
    }
)
PROJECT_RELATIONS = obj(
    {
        "hub": relation("hubs", PARAMS["hub"]),
        "rootFolder": obj({"data": obj({"type": enum("folders"), "id": URN_FOLDER}), "meta": obj({"link": LINK})}),
        "topFolders": obj({"links": obj({"related": LINK})}),
        "cost": obj({"data": obj({"type": enum("costContainerId"), "id": UUID}), "meta": obj({"link": LINK})}),
    }
)
PROJECT_EXTENSION = obj(
    {
        "type": enum("projects:autodesk.bim360:Project"),
        "version": STR,
        "schema": LINK,
        "data": obj({"projectType": enum("ACC", "BIM360")}),
    }
)
PROJECT = obj(
    {
        "type": enum("projects"),
        "id": B_ID,
        "attributes": obj({"name": STR, "scopes": arr(FILLED, 1), "extension": PROJECT_EXTENSION}),
        "links": obj({"self": LINK, "webView": LINK}),
        "relationships": PROJECT_RELATIONS,
    }
)
FOLDER = obj(
    {
        "type": enum("folders"),
        "id": URN_FOLDER,
        "attributes": obj(
            {"name": STR, "displayName": STR, "objectCount": COUNT, "hidden": BOOL, **TIMES, **PEOPLE},
            lastModifiedTimeRollup=TIME,
            extension=extension("folders:autodesk.bim360:Folder"),
        ),
        "links": SELF,
        "relationships": obj(
            {"parent": obj({"links": obj({"related": LINK})}), "contents": obj({"links": obj()}), **REFERENCES}
        ),
    }
)
ITEM = obj(
    {
        "type": enum("items"),
        "id": URN_ITEM,
        "attributes": obj(
            {
                "displayName": STR,
                "hidden": BOOL,
                "reserved": BOOL,
                "extension": extension("items:autodesk.bim360:Document", "items:autodesk.bim360:File"),
                **TIMES,
                **PEOPLE,
            },
            pathInProject=STR,
        ),
        "links": SELF,
        "relationships": obj(
            {
                "tip": relation("versions", URN_VERSION),
                "versions": obj({"links": obj({"related": LINK})}),
                "parent": relation("folders", URN_FOLDER),
                **REFERENCES,
            }
        ),
    }
)
STATE = enum(
    "NEEDS_PROCESSING", "PROCESSING", "PREVIOUS_SEED_PENDING", "EXTRACTION_PENDING", "SPLITTING",
    "PREVIOUS_DOC_PENDING", "PROCESSING_ABORTING", "PROCESSING_ABORTED", "PROCESSING_COMPLETE", "PROCESSING_PROMOTION",
    "PROCESSING_COPY", "PROCESSING_PROMOTING", "PROCESSING_COPYING", "PROCESSING_SUSPEND",
)  # fmt: skip
SHEET_DATA = obj(
    {"processState": STATE, "viewableId": STR, "viewableGuid": STR, "viewableName": STR, "sourceFileName": STR},
    viewableOrder=INT,
)
FILE_DATA = obj(
    dict.fromkeys(("processState", "extractionState", "splittingState", "reviewState", "conformingStatus"), STR)
)
STORAGE = obj(
    {"data": obj({"type": enum("objects"), "id": text(r"\Aurn:adsk\.objects:os\.object:[^/]+/.+")}), "meta": obj()}
)


def version_of(kind: str, data: Schema, **relations: Schema) -> dict[str, Any]:
    """A version of this extension type."""
    return obj(
        {
            "type": enum("versions"),
            "id": URN_VERSION,
            "attributes": obj(
                {
                    "name": STR,
                    "displayName": STR,
                    "versionNumber": INT,
                    "extension": obj({"type": enum(kind), "version": STR, "schema": LINK, "data": data}),
                    **TIMES,
                    **PEOPLE,
                },
                storageSize=COUNT,
                fileType=STR,
            ),
            "links": SELF,
            "relationships": obj(
                {
                    "item": relation("items", URN_ITEM),
                    "derivatives": obj({"data": obj({"type": enum("derivatives"), "id": B64})}),
                    **REFERENCES,
                    **relations,
                }
            ),
        }
    )


VERSION = {
    "anyOf": [
        version_of("versions:autodesk.bim360:Document", SHEET_DATA),
        version_of("versions:autodesk.bim360:File", FILE_DATA, storage=STORAGE),
        version_of("versions:autodesk.core:Deleted", obj()),
    ]
}
FOLDER_OR_ITEM = {"anyOf": [ITEM, FOLDER]}
WARNINGS = obj(
    {"warnings": arr(obj({"Id": UUID, "HttpStatusCode": STR, "ErrorCode": STR, "Title": STR, "Detail": STR}))}
)
ENDS = enum("folders", "items", "versions")
REFERENCE = obj(
    {
        "type": ENDS,
        "id": URN_VERSION,
        "meta": obj(
            {
                "refType": enum("derived", "dependencies", "auxiliary", "xrefs", "includes"),
                "direction": enum("from", "to"),
                "fromId": URN_VERSION,
                "fromType": ENDS,
                "toId": URN_VERSION,
                "toType": ENDS,
                "extension": obj({"type": STR, "version": STR, "schema": LINK}),
            }
        ),
    }
)

# ---------------------------------------------------------------- exports

ERROR_OF_JOB = closed({"code": text(r"\A\d{3}\Z"), "title": text(r"\AERR_"), "detail": STR})
LOST = closed({"id": URN_VERSION, "reason": text(r"\AERR_"), "detail": STR})
BIM360_DATA = obj({"versionUrn": B64, "resourceId": PARAMS["derivative"]}, link=URL, signedUrl=URL)
BIM360_JOB = {
    "anyOf": [
        closed({"id": UUID, "status": enum("committed", "failed")}),
        closed({"id": UUID, "status": enum("completed"), "data": BIM360_DATA}),
    ]
}


def acc_result(**more: Schema) -> dict[str, Any]:
    """The result of an ACC export, in either place that the documentation shows."""
    place = obj({"signedUrl": URL, **more})
    return {"anyOf": [obj({"output": place}), place]}


ACC_DONE = closed({"id": UUID, "status": enum("successful"), "result": acc_result()})
ACC_PART = closed({"id": UUID, "status": enum("partialSuccess"), "result": acc_result(failedFiles=arr(LOST, 1))})
ACC_FAILED = closed({"id": UUID, "status": enum("failed"), "result": closed({"error": ERROR_OF_JOB})})
ACC_RUNS = closed({"id": UUID, "status": enum("processing")})
MARKUPS = {"includePublishedMarkups": BOOL, "includeUnpublishedMarkups": BOOL}
OPTIONS = closed(
    None,
    outputFileName=FILLED,
    standardMarkups=closed(None, **MARKUPS, includeMarkupLinks=BOOL),
    issueMarkups=closed(None, **MARKUPS),
    photoMarkups=closed(None, **MARKUPS),
    assetMarkups=closed(None, **MARKUPS),
)


VERSION_SET = obj({"id": UUID, "name": STR, "issuanceDate": STR}, deleted=BOOL)
VIEWABLE = closed({"urn": FILLED, "guid": FILLED})
COLLECTION = obj({"id": UUID, "name": STR})
WHO = dict.fromkeys(("createdBy", "createdByName", "updatedBy", "updatedByName"), STR)
SHEET_FIELDS: dict[str, Schema] = {
    "id": UUID, "number": FILLED, "title": STR, "versionSet": VERSION_SET, "createdAt": TIME, "updatedAt": TIME, **WHO,
    **dict.fromkeys(("deletedAt", "deletedBy", "deletedByName"), STR), "uploadFileName": STR, "uploadId": UUID,
    "tags": arr(STR), "paperSize": arr({"type": "number"}, 2, 2), "isCurrent": BOOL,
    "deleted": BOOL, "viewable": VIEWABLE, "collection": null_or(COLLECTION),
}  # fmt: skip
SHEET = {"anyOf": [obj(SHEET_FIELDS), closed({"id": UUID}, **{n: s for n, s in SHEET_FIELDS.items() if n != "id"})]}
PAGINATION = obj({"limit": COUNT, "offset": COUNT, "totalResults": COUNT, "nextUrl": STR, "previousUrl": STR})
SHEETS_QUERY: dict[str, Schema] = {
    "offset": DIGITS, "limit": DIGITS, "collectionId": text(r"\A(\*|[0-9a-fA-F-]{36})\Z"), "currentOnly": FLAG,
    "filter[versionSetId]": FILLED, "filter[tags]": STR, "withAllTags": FLAG, "fields": STR, "searchText": STR,
    "isDeleted": FLAG, "sort": STR,
}  # fmt: skip


BATCH_ENTRY = obj(
    {
        **dict.fromkeys(("name", "createTime", "createUserId", "lastModifiedTime", "lastModifiedUserId"), STR),
        "urn": URN_VERSION,
        "itemUrn": URN_ITEM,
        "title": null_or(STR),
        "number": null_or(STR),
        "entityType": enum("SEED_FILE", "DOCUMENT"),
        "revisionNumber": INT,
        "processState": STATE,
        "approvalStatus": obj({"label": STR, "value": enum("approved", "rejected")}),
        "customAttributes": arr(obj()),
    },
    storageUrn=STR,
    storageSize=COUNT,
)
BATCH = obj({"results": arr(BATCH_ENTRY), "errors": arr(obj(dict.fromkeys(("urn", "code", "title", "detail"), STR)))})

# ---------------------------------------------------------------- Cost Management

COST_KINDS = enum(
    "Budget", "Contract", "CostItem", "FormInstance", "Payment", "BudgetPayment", "Expense", "OCO", "SCO",
    "MainContract", "CostPayment", "PaymentItem", "RFQ", "RCO",
)  # fmt: skip
COST_DOCUMENT = closed(
    {
        "id": UUID,
        "recipientId": STR,
        "signedBy": null_or(STR),
        "urn": null_or(URN_VERSION),
        "pdfUrn": null_or(URN_VERSION),
        "status": enum("Pending", "Started", "Completed", "Failed", "PendingSign", "Signed"),
        "jobId": {"type": "number"},
        "errorInfo": null_or(closed({"code": STR, "message": STR, "detail": STR})),
        "associationId": UUID,
        "associationType": COST_KINDS,
        "createdAt": text(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z"),
        "updatedAt": text(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z"),
    }
)
ASSOCIATION = obj({"id": UUID, "name": null_or(STR)}, code=null_or(STR), number=null_or(STR), description=null_or(STR))
COST_PAGINATION = obj({"limit": COUNT, "offset": COUNT, "totalResults": COUNT}, nextUrl=STR)
ATTACHMENT = obj(
    {
        "id": UUID,
        "type": enum("Upload", "DocsFile", "Reference", "Document"),
        "name": FILLED,
        "associationId": UUID,
        "associationType": COST_KINDS,
        "urn": null_or(STR),
        "pdfUrn": null_or(STR),
        "status": null_or(STR),
    }
)
ATTACHMENT_BODY = obj(
    {"type": enum("Upload", "DocsFile", "Reference", "Document"), "name": FILLED, "associationId": UUID},
    associationType=COST_KINDS,
    templateId=STR,
    urn=STR,
    folderId=STR,
)

# ---------------------------------------------------------------- tokens

TOKEN = closed(
    {"access_token": text(r"\A[\w-]+\.[\w-]+\.[\w-]+\Z"), "token_type": enum("Bearer"), "expires_in": COUNT},
    refresh_token=FILLED,
    id_token=FILLED,
)
TOKEN_FORM = obj(
    {
        "grant_type": enum(
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        )
    }
)
ABOUT_TOKEN = {"anyOf": [closed({"active": enum(False)}), obj({"active": enum(True), "scope": STR, "client_id": STR})]}
DISCOVERY = obj(
    {
        **dict.fromkeys(("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"), URL),
        **dict.fromkeys(("revocation_endpoint", "introspection_endpoint"), URL),
        "scopes_supported": arr(STR, 16),
        "response_types_supported": arr(STR, 1),
        "response_modes_supported": arr(STR, 1),
        "grant_types_supported": arr(STR, 1),
        "subject_types_supported": arr(enum("public"), 1),
        "id_token_signing_alg_values_supported": arr(enum("RS256"), 1),
    }
)
PERSON = obj(dict.fromkeys(("sub", "name", "given_name", "family_name", "preferred_username", "email", "locale"), STR))
GO_TIME = text(r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} \+0000 UTC\Z")
STATUS = enum("ENABLED", "DISABLED", "DEACTIVATED")
ACCOUNT = obj(
    {
        "serviceAccountId": FILLED,
        "email": text(r"@"),
        "createdBy": FILLED,
        "status": STATUS,
        **dict.fromkeys(("createdAt", "accessedAt", "expiresAt"), GO_TIME),
    }
)
KEY = obj({"kid": UUID, "status": STATUS, "createdAt": GO_TIME, "accessedAt": STR})
SSA_ERROR = either(obj({"title": STR, "detail": STR}))
NEW_STATUS = closed({"status": enum("ENABLED", "DISABLED")})
TOKEN_ERROR = either(OAUTH)


COOKIES = obj(
    {"size": COUNT, "url": URL, "content-type": STR, "expiration": {"type": "integer", "minimum": 10**12}}, etag=STR
)
COOKIES_QUERY = {"minutes-expiration": DIGITS, "response-content-disposition": text(r"\Aattachment")}
DOWNLOAD = obj(
    {
        "status": enum("complete", "chunked", "fallback"),
        "params": closed(None, **dict.fromkeys(("content-type", "content-disposition", "cache-control"), STR)),
        "size": COUNT,
    },
    url=URL,
    urls={"type": "object", "additionalProperties": URL},
    sha1=text(r"\A[0-9a-f]{40}\Z"),
)
DOWNLOAD_QUERY = {
    "minutesExpiration": text(r"\A([1-9]|[1-5]\d|60)\Z"),
    "useCdn": FLAG,
    "public-resource-fallback": FLAG,
    "response-content-type": STR,
    "response-content-disposition": STR,
    "response-cache-control": STR,
}
AUTHORIZE = dict.fromkeys(
    (
        "client_id",
        "response_type",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "response_mode",
        "prompt",
        "authoptions",
        "code_challenge",
        "code_challenge_method",
    ),
    STR,
)
