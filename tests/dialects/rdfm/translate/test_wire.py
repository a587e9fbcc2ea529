"""JSON as RDFM's clients read it."""

import json

import orjson
import pytest

from polyfleet.api.dialects.rdfm.translate import wire


def test_a_body_is_compact_sorted_and_ends_with_a_newline() -> None:
    assert wire.encode({"b": 1, "a": [1, "x"]}) == b'{"a":[1,"x"],"b":1}\n'


def test_an_empty_list_is_the_three_bytes_that_clients_compare() -> None:
    assert wire.encode([]) == b"[]\n"
    assert wire.encode_list([]) == b"[]\n"


def test_encoded_items_join_to_the_same_bytes_as_the_list_of_them() -> None:
    items = [{"b": 1}, {"a": 2}]
    assert wire.encode_list([wire.encode(item) for item in items]) == wire.encode(items)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '"text"',
        "1",
        "null",
        "{",
        "",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"a": ' + "1" * 5_000 + "}",
    ],
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wire.exact_object(text)


def test_free_documents_keep_their_numbers_as_written() -> None:
    text = '{"big":123456789012345678901234567890,"float":1.0,"neg":-0.5}'
    stored = wire.canonical(wire.exact_object(text))
    assert stored == text
    assert wire.encode({"metadata": wire.embedded(stored)}) == (
        b'{"metadata":{"big":123456789012345678901234567890,"float":1.0,"neg":-0.5}}\n'
    )


def test_stored_text_keeps_its_letters_readable() -> None:
    assert wire.canonical({"name": "Füße"}) == '{"name":"Füße"}'


def test_a_text_that_is_no_unicode_cannot_be_stored() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        wire.canonical(wire.exact_object(r'{"a":"\ud800"}'))


@pytest.mark.parametrize("text", ["", "not json", "[1]", '"x"', "null"])
def test_stored_text_that_is_no_object_reads_as_empty(text: str) -> None:
    assert orjson.dumps(wire.embedded(text)) == b"{}"


def test_stored_text_with_a_lone_surrogate_still_makes_a_valid_answer() -> None:
    answer = wire.encode({"metadata": wire.embedded(r'{"a":"\ud800"}')})
    assert json.loads(answer)["metadata"]["a"] == "\ud800"
