"""Waits for requests to a bucket and tells their faults in the domain's words."""

from collections.abc import Awaitable
from typing import TypeVar

from obstore.exceptions import BaseError

from polyfleet.api.core.errors import InsufficientStorage, NotFound, Unavailable

# S3 has no code of its own for a full store; these are what servers say.
_FULL = ("StorageFull", "QuotaExceeded", "507 Insufficient Storage")

_T = TypeVar("_T")


async def answered(request: Awaitable[_T]) -> _T:
    """Return what the request gives. Raises NotFound, InsufficientStorage or Unavailable."""
    try:
        return await request
    except FileNotFoundError:
        raise NotFound("there is no such file") from None
    except BaseError as error:
        if any(sign in str(error) for sign in _FULL):
            raise InsufficientStorage("the artifact storage is full") from error
        raise Unavailable("the object storage does not answer as it should") from error
