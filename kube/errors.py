"""What the API server may answer instead of what was asked for.

ApiError
├── Unauthorized       401
├── Forbidden          403
├── NotFound           404
├── AlreadyExists      409, reason AlreadyExists
├── Conflict           409: the object changed, or a precondition does not hold
├── Gone               410: a resourceVersion or continue token is too old
├── Invalid            400, 422: the object breaks a rule; `causes` say which
├── TooManyRequests    429
└── Unavailable        5xx, or no answer at all
"""

# ruff: noqa: N818 - named as the conditions that they are, in Kubernetes' own words

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_ALREADY_EXISTS = "AlreadyExists"
_SHOWN = 500
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class Cause:
    """One rule that an object breaks, and the JSON path of the field that breaks it."""

    field: str
    reason: str
    message: str


class ApiError(Exception):
    """An answer of the API server that is not a success; `status` is 0 if there was none."""

    def __init__(
        self, status: int, reason: str, message: str, *, causes: tuple[Cause, ...] = ()
    ) -> None:
        # No status, for there was no answer, is nothing to show.
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes


class Unauthorized(ApiError):
    """Our credentials were not accepted."""


class Forbidden(ApiError):
    """Our role does not allow the request, or a quota is used up."""


class NotFound(ApiError):
    """There is no such object (or no such kind)."""


class AlreadyExists(ApiError):
    """An object of that name is there already."""


class Conflict(ApiError):
    """The object changed since it was read, or is not the one that was meant."""


class Gone(ApiError):
    """The resourceVersion or continue token asked for is no longer kept."""


class Invalid(ApiError):
    """The object or the request breaks a rule of the API server."""


class TooManyRequests(ApiError):
    """The API server wants us to wait; nothing was done."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, reason, message, causes=causes)
        self.retry_after = retry_after


class Unavailable(ApiError):
    """The API server failed or cannot be reached.

    `sent` is False if the request surely had no effect; else a write may have been carried out.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        causes: tuple[Cause, ...] = (),
        sent: bool = True,
    ) -> None:
        super().__init__(status, reason, message, causes=causes)
        self.sent = sent


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def from_answer(status: int, body: bytes, *, retry_after: str | None = None) -> ApiError:
    """Read an unsuccessful answer: its HTTP status, body and `Retry-After` header."""
    return from_status(_parse(body), status=status, retry_after=retry_after)


def from_status(
    document: Mapping[str, Any], *, status: int | None = None, retry_after: str | None = None
) -> ApiError:
    """Read a `Status` object, as it comes in an answer's body or in a watch's ERROR event."""
    code = status if status is not None else _integer(document.get("code"))
    reason = str(document.get("reason") or "Unknown")
    message = str(document.get("message") or "no message")
    causes = _causes(document)
    if code == 429:  # noqa: PLR2004 - HTTP statuses are clearer as numbers
        return TooManyRequests(
            code, reason, message, causes=causes, retry_after=_seconds(retry_after)
        )
    if code >= _SERVER_ERRORS:
        return Unavailable(code, reason, message, causes=causes)
    if reason == _ALREADY_EXISTS:
        return AlreadyExists(code, reason, message, causes=causes)
    return _BY_STATUS.get(code, ApiError)(code, reason, message, causes=causes)


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"message": body[:_SHOWN].decode(errors="replace")}
    return document if isinstance(document, dict) else {}


def _causes(document: Mapping[str, Any]) -> tuple[Cause, ...]:
    details = document.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return tuple(
        Cause(
            str(cause.get("field", "")),
            str(cause.get("reason", "")),
            str(cause.get("message", "")),
        )
        for cause in (causes if isinstance(causes, list) else ())
        if isinstance(cause, dict)
    )


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _seconds(text: str | None) -> float | None:
    """Read `Retry-After` in seconds; its date form, which Kubernetes never sends, is none."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
