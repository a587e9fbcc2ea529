import base64

import pytest
from starlette.datastructures import Headers, QueryParams

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.credentials import Basic, Bearer, credential_of


def headers(*values: str) -> Headers:
    return Headers(raw=[(b"authorization", value.encode("latin-1")) for value in values])


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "Bearer abc.def_ghi-j~k+l/m==",
        "bearer abc.def_ghi-j~k+l/m==",
        "Bearer token=abc.def_ghi-j~k+l/m==",
        'BEARER token="abc.def_ghi-j~k+l/m=="',
        "bearer   token=abc.def_ghi-j~k+l/m== ",
        "token abc.def_ghi-j~k+l/m==",
        "Token abc.def_ghi-j~k+l/m==",
    ],
)
def test_a_token_is_read_in_the_form_of_every_dialect(text: str) -> None:
    assert credential_of(headers(text)) == Bearer("abc.def_ghi-j~k+l/m==")


def test_basic_is_split_at_the_first_colon() -> None:
    assert credential_of(headers(basic("ada:pass:word"))) == Basic("ada", "pass:word")


def test_basic_takes_any_utf8() -> None:
    assert credential_of(headers(basic("ädä:pässwörd"))) == Basic("ädä", "pässwörd")


def test_a_request_without_any_credential_has_none() -> None:
    assert credential_of(Headers({}), QueryParams("labels=a")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer token=a, token=b",
        'Bearer token="a',
        "Bearer token=a, scope=b",
        "Digest a",
        "abc",
        "Basic !!!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b":password").decode(),
        "Basic " + base64.b64encode(b"user:").decode(),
        "Basic " + base64.b64encode(b"user:\xff\xfe").decode(),
        "Bearer " + "a" * 9000,
        "Bearer caf\xe9",
    ],
)
def test_a_malformed_header_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        credential_of(headers(text))


def test_two_authorization_headers_are_refused() -> None:
    with pytest.raises(Unauthenticated):
        credential_of(headers("Bearer a", "Bearer a"))


@pytest.mark.parametrize("query", ["token=a", "api_key=a"])
def test_a_token_in_the_query_is_read_where_the_dialect_allows_it(query: str) -> None:
    assert credential_of(Headers({}), QueryParams(query)) == Bearer("a")


def test_a_user_name_and_a_key_in_the_query_are_a_pair() -> None:
    assert credential_of(Headers({}), QueryParams("username=ada&api_key=a")) == Basic("ada", "a")


@pytest.mark.parametrize(
    "query", ["token=a&token=b", "token=a&api_key=b", "username=a&username=b&api_key=c", "token="]
)
def test_an_ambiguous_query_is_refused(query: str) -> None:
    with pytest.raises(Unauthenticated):
        credential_of(Headers({}), QueryParams(query))


def test_a_header_and_a_query_credential_together_are_refused() -> None:
    with pytest.raises(Unauthenticated):
        credential_of(headers("Bearer a"), QueryParams("token=a"))


def test_credentials_do_not_show_their_secret_when_they_are_printed() -> None:
    assert "hidden" not in repr([Bearer("hidden"), Basic("ada", "hidden")])
