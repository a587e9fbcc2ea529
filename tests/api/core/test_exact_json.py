"""JSON that comes back as it was written, or is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.exact_json import decode_exact

KEPT = [
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "0.1",
    "1.50",
    "-2.5e-7",
    "1e300",
    "0.12345678901234567891",
    "0.10000000000000001",
]
WHOLE = {"1.0": 1, "-0": 0, "-0.0": 0, "1e3": 1000, "-9223372036854775808.0": -(2**63)}
CHANGED = ["9223372036854775808", "-9223372036854775809", "1e400", "-1e400"]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_the_cluster_can_keep_is_read_as_it_is(value: object) -> None:
    assert decode_exact(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", KEPT)
def test_a_number_that_stays_itself_is_taken(text: str) -> None:
    assert decode_exact(text.encode()) == json.loads(text)


@pytest.mark.parametrize(("text", "number"), WHOLE.items(), ids=WHOLE)
def test_a_whole_number_is_read_as_the_cluster_tells_it(text: str, number: int) -> None:
    assert repr(decode_exact(text.encode())) == repr(number)


@pytest.mark.parametrize("text", CHANGED)
def test_a_number_that_would_change_is_refused_with_its_path(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        decode_exact(f'{{"a": [0, {{"b c": {text}}}]}}'.encode())
    assert raised.value.field == "a[1].b c"
    assert text[:40] in raised.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"[1,]", b"\xff", b"NaN", b"-Infinity", b'"\\ud800"', b'{"\\ud800": 1}'],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        decode_exact(body)


@pytest.mark.parametrize("depth", [66, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(Invalid, match="deep"):
        decode_exact(b"[" * depth + b"]" * depth)


def test_an_endless_number_is_refused_quickly() -> None:
    with pytest.raises(Invalid):
        decode_exact(b"1" * 60_000)
