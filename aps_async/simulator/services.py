"""Every endpoint of the API's port, in one place."""

from . import (
    accfiles,
    accsheets,
    bim360,
    cost,
    costlists,
    datamanagement,
    derivatives,
    oauth,
    oauthpages,
    oss,
    relations,
    serviceaccounts,
    tokens,
)

_SIGNING_IN = (*tokens.ENDPOINTS, *oauth.ENDPOINTS, *oauthpages.ENDPOINTS, *serviceaccounts.ENDPOINTS)
ENDPOINTS = (
    *_SIGNING_IN,
    *datamanagement.ENDPOINTS,
    *relations.ENDPOINTS,
    *bim360.ENDPOINTS,
    *accfiles.ENDPOINTS,
    *accsheets.ENDPOINTS,
    *cost.ENDPOINTS,
    *costlists.ENDPOINTS,
    *oss.ENDPOINTS,
    *derivatives.ENDPOINTS,
)
