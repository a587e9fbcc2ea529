"""How the native routes tell each error."""

import json

import pytest

from polyfleet.api.core import errors
from polyfleet.api.native.errors import render


@pytest.mark.parametrize(
    ("error", "status", "reason", "message"),
    [
        (errors.NotFound("no such device"), 404, "NotFound", "no such device"),
        (errors.AlreadyExists("taken"), 409, "AlreadyExists", "taken"),
        (errors.Conflict("in use"), 409, "Conflict", "in use"),
        (errors.Invalid("", "not JSON"), 400, "Invalid", "not JSON"),
        (errors.Invalid("id", "too long"), 400, "Invalid", "id: too long"),
        (errors.Forbidden("no"), 403, "Forbidden", "no"),
        (errors.Unauthenticated("who?"), 401, "Unauthenticated", "who?"),
        (errors.TooLarge("too much"), 413, "TooLarge", "too much"),
        (errors.UnsupportedMediaType("text"), 415, "UnsupportedMediaType", "text"),
        (errors.InsufficientStorage("full"), 507, "InsufficientStorage", "full"),
        (errors.RateLimited("slowly"), 429, "RateLimited", "slowly"),
        (errors.Unavailable("later"), 503, "Unavailable", "later"),
    ],
)
def test_each_error_has_its_status_and_its_words(
    error: errors.PolyfleetError, status: int, reason: str, message: str
) -> None:
    answer = render(error)
    assert answer.status_code == status
    assert json.loads(answer.body) == {"error": {"reason": reason, "message": message}}


@pytest.mark.parametrize("kind", [errors.RateLimited, errors.Unavailable])
def test_when_to_come_back_is_told_in_whole_seconds(
    kind: type[errors.RateLimited | errors.Unavailable],
) -> None:
    assert render(kind("wait", 0.2)).headers["retry-after"] == "1"
    assert render(kind("wait", 7.6)).headers["retry-after"] == "8"
    assert "retry-after" not in render(kind("wait")).headers


def test_who_is_not_known_is_told_how_to_prove_it() -> None:
    assert "Bearer" in render(errors.Unauthenticated("who?")).headers["www-authenticate"]
