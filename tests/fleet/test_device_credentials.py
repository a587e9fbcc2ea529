"""Which credentials in clients' data are in clear text."""

import base64
import json
from typing import Any

import msgspec
import pytest

from polyfleet.fleet.device_credentials import REFERENCE, has_clear_text, without_clear_text

SAFE: list[dict[str, Any]] = [
    {"pass": {"sha512": "$6$salt$hash"}},
    {"pass": {"bcrypt": "$2b$12$hash"}},
    {"user": {"username": "u", "password": {"sha512": "$6$salt$hash"}, "unique": True}},
    {"cert": "CN=d"},
    {"psk": {"key": base64.b64encode(REFERENCE + b"1").decode(), "validity": {}}},
]


def encoded(spec: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"spec": spec}).encode())


@pytest.mark.parametrize("section", ["credentials", "authentication"])
def test_what_the_api_stores_is_not(section: str) -> None:
    spec = {section: {"credentials": SAFE, "note": 1}, "a": {"pass": "x"}}
    assert without_clear_text(spec) == spec
    assert not has_clear_text(encoded(spec))


@pytest.mark.parametrize("spec", [{}, {"credentials": None}, {"authentication": {}}, {"a": "pass"}])
def test_where_there_are_none_there_is_nothing_to_hide(spec: dict[str, Any]) -> None:
    assert without_clear_text(spec) == spec
    assert not has_clear_text(encoded(spec))


def test_only_what_may_be_a_secret_is_left_out() -> None:
    spec = {"credentials": {"credentials": [*SAFE, {"pass": "x"}, {"psk": {"key": "eA=="}}]}}
    assert without_clear_text(spec) == {"credentials": {"credentials": SAFE}}
    assert has_clear_text(encoded(spec))


def test_a_section_of_another_form_is_left_out_whole() -> None:
    assert without_clear_text({"credentials": "x", "a": 1}) == {"a": 1}
    assert has_clear_text(encoded({"authentication": ["x"]}))
