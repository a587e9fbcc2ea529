"""What the API server's refusals become."""

import orjson
import pytest

from polyfleet.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    from_answer,
)


def _answer(code: int, reason: str = "Whatever") -> bytes:
    return orjson.dumps({"kind": "Status", "reason": reason, "message": "no", "code": code})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, TooManyRequests),
        (500, Unavailable),
        (503, Unavailable),
        (418, ApiError),
    ],
)
def test_each_status_has_its_own_error(code: int, expected: type[ApiError]) -> None:
    error = from_answer(code, _answer(code))

    assert type(error) is expected
    assert (error.status, error.message) == (code, "no")


def test_a_taken_name_is_told_apart_from_a_changed_object() -> None:
    assert isinstance(from_answer(409, _answer(409, "AlreadyExists")), AlreadyExists)
    assert isinstance(from_answer(409, _answer(409, "Conflict")), Conflict)


def test_the_wait_that_the_server_asks_for_is_read() -> None:
    error = from_answer(429, _answer(429), retry_after="7")

    assert isinstance(error, TooManyRequests)
    assert error.retry_after == 7


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[1]", b'"x"', b"\xff"])
def test_an_answer_that_is_no_status_still_says_its_code(body: bytes) -> None:
    assert from_answer(502, body).status == 502


@pytest.mark.parametrize("details", [None, 1, {"causes": 3}, {"causes": [1, {"field": "spec.a"}]}])
def test_odd_details_do_not_hide_the_error(details: object) -> None:
    body = orjson.dumps({"reason": "Invalid", "message": "no", "details": details})

    assert isinstance(from_answer(422, body), Invalid)
