"""How a credential looks on the wire, in the forms of all dialects.

    Authorization: Bearer <token>
    Authorization: Bearer token=<token>        RDFM; quotes round the token are allowed
    Authorization: Basic <user:password or user:access token, in base64>
    Authorization: token <token>               Deis
    ?token=<token>                             where a dialect allows it
    ?api_key=<token>, ?username=<user>&api_key=<token>     Drogue Cloud, where it is allowed

A request with more than one credential is refused: two readers might choose differently.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

from starlette.datastructures import Headers, QueryParams

from polyfleet.api.core.errors import Unauthenticated

MAX_LENGTH = 8192
"""Of one header or parameter, in characters."""

_TEXT = r"[A-Za-z0-9._~+/-]+=*"
_AUTHORIZATION = re.compile(
    rf"""(?:bearer[ ]+token="(?P<quoted>{_TEXT})"
        |bearer[ ]+token=(?P<named>{_TEXT})
        |bearer[ ]+(?P<plain>{_TEXT})
        |token[ ]+(?P<deis>{_TEXT})
        |basic[ ]+(?P<basic>[A-Za-z0-9+/]+=*))[ ]*""",
    re.VERBOSE | re.IGNORECASE,
)
_MALFORMED = "the credentials are malformed"
_SEVERAL = "the request has more than one credential"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token by itself."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Basic:
    """A name with a password or a token."""

    user: str
    secret: str = field(repr=False)


Credential = Bearer | Basic


def credential_of(headers: Headers, query: QueryParams | None = None) -> Credential | None:
    """Return the credential of a request, None if it has none.

    `query` is given only by dialects that allow credentials there. Raises Unauthenticated for a
    form that nobody knows, and for several credentials at once.
    """
    lines = headers.getlist("authorization")
    if len(lines) > 1:
        raise Unauthenticated(_SEVERAL)
    in_query = _in_query(query) if query else None
    if not lines:
        return in_query
    if in_query is not None:
        raise Unauthenticated(_SEVERAL)
    return parse_authorization(lines[0])


def parse_authorization(text: str) -> Credential:
    """Read the value of an Authorization header. Raises Unauthenticated."""
    match = _AUTHORIZATION.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise Unauthenticated(_MALFORMED)
    if match.lastgroup == "basic":
        return _basic(match["basic"])
    return Bearer(match[match.lastgroup or ""])


def _basic(encoded: str) -> Basic:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated(_MALFORMED) from error
    user, colon, secret = text.partition(":")
    if not colon or not user or not secret:
        raise Unauthenticated(_MALFORMED)
    return Basic(user, secret)


def _in_query(query: QueryParams) -> Credential | None:
    tokens = [*query.getlist("token"), *query.getlist("api_key")]
    users = query.getlist("username")
    if not tokens:
        return None
    if len(tokens) > 1 or len(users) > 1:
        raise Unauthenticated(_SEVERAL)
    token = tokens[0]
    if not token or len(token) > MAX_LENGTH:
        raise Unauthenticated(_MALFORMED)
    if users and "api_key" in query:
        return Basic(users[0], token)
    return Bearer(token)
