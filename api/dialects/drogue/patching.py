"""JSON Patch (RFC 6902) on what a client sees of an object."""

from typing import Any

import jsonpatch
import jsonpointer
import orjson

from polyfleet.api.core.errors import Conflict, Invalid
from polyfleet.api.core.exact_json import canonical, check_exact
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

    What an object can have and does not show, for it is empty, is there to be patched. Raises
    Conflict if a `test` fails, Invalid for what cannot be applied, and TooLarge as soon as
    the document is larger than clients may send: copies could double it at every step.
    """
    _open(document)
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
        if operation["op"] == "test" and not _is(operation, result):
            raise Conflict(f"the test [{number}] failed")
        check_exact(result)
        check_size(orjson.dumps(result))
    if not isinstance(result, dict):
        raise Invalid("", "the patched document must be a JSON object")
    return result


def _is(test: dict[str, Any], document: Any) -> bool:
    """Say whether a test holds to the letter: to the library, as to Python, 1 is true."""
    found = jsonpointer.resolve_pointer(document, test["path"])
    return canonical(found) == canonical(test["value"])


def _open(document: dict[str, Any]) -> None:
    for name in ("spec", "status"):
        document.setdefault(name, {})
    for name in ("labels", "annotations"):
        document["metadata"].setdefault(name, {})
    document["metadata"].setdefault("finalizers", [])
