"""JSON Patch (RFC 6902) on what a client sees of an object."""

from typing import Any

import jsonpatch
import jsonpointer
import orjson

from polyfleet.api.core.errors import Conflict, Invalid
from polyfleet.api.dialects.drogue.resources import check_size

MAX_OPERATIONS = 100


def checked(patch: object) -> list[dict[str, Any]]:
    """Return a patch that has the right form. Raises Invalid."""
    if not isinstance(patch, list):
        raise Invalid("", "a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise Invalid("", f"a patch has at most {MAX_OPERATIONS} operations")
    for number, operation in enumerate(patch):
        if not isinstance(operation, dict):
            raise Invalid(f"[{number}]", "must be an operation")
    return patch


def apply(patch: list[dict[str, Any]], document: dict[str, Any]) -> dict[str, Any]:
    """Return the patched document; the one given may be changed.

    Raises Conflict if a `test` fails, Invalid for what cannot be applied, and TooLarge as soon as
    the document is larger than clients may send: copies could double it at every step.
    """
    result: Any = document
    for number, operation in enumerate(patch):
        try:
            result = jsonpatch.JsonPatch([operation]).apply(result, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise Conflict(f"the test [{number}] failed") from None
        except (
            jsonpatch.JsonPatchException,
            jsonpointer.JsonPointerException,
            KeyError,
            IndexError,
            TypeError,
            ValueError,
        ) as error:
            reason = (
                str(error) if isinstance(error, jsonpatch.JsonPatchException) else "no such place"
            )
            raise Invalid(f"[{number}]", f"cannot be applied: {reason[:200]}") from None
        check_size(orjson.dumps(result))
    if not isinstance(result, dict):
        raise Invalid("", "the patched document must be a JSON object")
    return result
