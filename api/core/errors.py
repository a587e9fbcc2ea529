# ruff: noqa: N818 - domain words (NotFound, Conflict) read better than their -Error forms
"""What can go wrong, in the words of the domain.

Nothing here knows HTTP: each dialect renders these errors in its own shape.
"""

import polyfleet.kube.errors as kube


class PolyfleetError(Exception):
    """An error that a client may be told; `message` holds no secret and no stack trace."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(PolyfleetError):
    """The object does not exist, or the caller may not know that it does."""


class AlreadyExists(PolyfleetError):
    """An object of that name exists already."""


class Conflict(PolyfleetError):
    """The request does not fit the state that the object is in."""


class Invalid(PolyfleetError):
    """The request is malformed; `field` says where, empty if it is the request as a whole."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Forbidden(PolyfleetError):
    """The caller is known but lacks the right."""


class Unauthenticated(PolyfleetError):
    """The caller is not known: no credential, or one that does not hold."""


class TooLarge(PolyfleetError):
    """The request, or a part of it, is larger than allowed."""


class UnsupportedMediaType(PolyfleetError):
    """The content type is not one that the route reads."""


class InsufficientStorage(PolyfleetError):
    """There is no room for what was sent."""


class RateLimited(PolyfleetError):
    """The caller asks too often; `retry_after` is in seconds, None if unknown."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(PolyfleetError):
    """Something that the request needs does not answer; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def from_api_error(error: kube.ApiError) -> PolyfleetError:
    """Tell an error of the API server in the words of the domain.

    What the API server says about names and fields is passed on; of several fields at fault, the
    first. What it says about our own rights is not: that is a fault of the installation, of no
    use to a client.
    """
    match error:
        case kube.NotFound() | kube.Gone():
            return NotFound(error.message)
        case kube.AlreadyExists():
            return AlreadyExists(error.message)
        case kube.Conflict():
            return Conflict(error.message)
        case kube.Invalid():
            return _invalid(error)
        case kube.TooManyRequests():
            return Unavailable("the API server is busy", error.retry_after)
        case _:
            return Unavailable("the API server does not answer as it should")


def _invalid(error: kube.Invalid) -> Invalid:
    if not error.causes:
        return Invalid("", error.message)
    return Invalid(error.causes[0].field.removeprefix("spec."), error.causes[0].message)
