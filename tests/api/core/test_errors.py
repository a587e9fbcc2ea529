"""Errors of the API server in the words of the domain."""

import pytest

from polyfleet.api.core import errors
from polyfleet.kube import errors as kube


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (kube.NotFound(404, "NotFound", "devices x not found"), errors.NotFound),
        (kube.Gone(410, "Expired", "too old"), errors.NotFound),
        (kube.AlreadyExists(409, "AlreadyExists", "there is one"), errors.AlreadyExists),
        (kube.Conflict(409, "Conflict", "it changed"), errors.Conflict),
        (kube.Invalid(422, "Invalid", "spec.x: too long"), errors.Invalid),
    ],
)
def test_what_concerns_the_object_is_passed_on(
    error: kube.ApiError, expected: type[errors.PolyfleetError]
) -> None:
    told = errors.from_api_error(error)
    assert type(told) is expected
    assert told.message == error.message


def test_of_the_fields_at_fault_the_first_is_named() -> None:
    causes = (
        kube.Cause("spec.policy", "FieldValueTooLong", "Too long"),
        kube.Cause("<nil>", "FieldValueInvalid", "some rules were not checked"),
    )
    told = errors.from_api_error(kube.Invalid(422, "Invalid", "DeviceGroup …", causes=causes))
    assert isinstance(told, errors.Invalid)
    assert (told.field, told.message) == ("policy", "Too long")


@pytest.mark.parametrize(
    "error",
    [
        kube.Unauthorized(401, "Unauthorized", "token of system:serviceaccount:x expired"),
        kube.Forbidden(403, "Forbidden", "system:serviceaccount:x cannot patch devices"),
        kube.Unavailable(503, "ServiceUnavailable", "etcd 10.0.0.7 is gone"),
        kube.ApiError(418, "Teapot", "x"),
    ],
)
def test_what_concerns_the_installation_is_not(error: kube.ApiError) -> None:
    told = errors.from_api_error(error)
    assert isinstance(told, errors.Unavailable)
    assert "API server" in told.message
    assert error.message not in told.message


def test_a_busy_api_server_says_when_to_come_back() -> None:
    told = errors.from_api_error(
        kube.TooManyRequests(429, "TooManyRequests", "busy", retry_after=3)
    )
    assert isinstance(told, errors.Unavailable)
    assert told.retry_after == 3
