"""Range headers against RFC 9110, section 14."""

import pytest

from polyfleet.api.core.artifacts.ranges import UnsatisfiableRange, requested_part


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=0-499", range(500)),
        ("bytes=500-999", range(500, 1000)),
        ("bytes=999-999", range(999, 1000)),
        ("bytes=500-", range(500, 1000)),
        ("bytes=0-", range(1000)),
        ("bytes=-1", range(999, 1000)),
        ("bytes=-500", range(500, 1000)),
        ("bytes=-1000", range(1000)),
        ("bytes=-5000", range(1000)),
        ("bytes=0-5000", range(1000)),
        ("bytes=990-999999999999999999", range(990, 1000)),
        ("BYTES=0-0", range(1)),
        ("bytes= 0-0 ", range(1)),
    ],
)
def test_a_satisfiable_range_names_its_bytes(header: str, expected: range) -> None:
    assert requested_part(header, 1000) == expected


@pytest.mark.parametrize(
    "header",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=0", "bytes=1-0", "bytes=--1",
        "bytes=0x1-2", "bytes=0-1;2", "items=0-1", "bytes 0-1", "bytes=0-1,5-6", "bytes=0-1, -1",
        "bytes=\u0661-\u0662", "bytes=" + "9" * 5000 + "-", "bytes=+0-1",
    ],
)  # fmt: skip
def test_a_header_that_is_not_understood_is_ignored(header: str) -> None:
    assert requested_part(header, 1000) is None


@pytest.mark.parametrize(
    "header", ["bytes=1000-", "bytes=1000-1000", "bytes=5000-9000", "bytes=-0"]
)
def test_a_range_beyond_the_end_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_part(header, 1000)


def test_nothing_of_an_empty_file_can_be_asked_for_by_position() -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_part("bytes=0-", 0)


def test_the_end_of_an_empty_file_is_the_whole_file() -> None:
    assert requested_part("bytes=-5", 0) is None
