"""Conditional requests against RFC 9110, section 13."""

from datetime import UTC, datetime

import pytest

from polyfleet.api.core.artifacts.conditions import Verdict, evaluate, range_applies

ETAG = '"6f7483ac"'
MODIFIED = datetime(2026, 3, 1, 12, 0, 0, 750_000, tzinfo=UTC)
BEFORE = "Sun, 01 Mar 2026 11:59:59 GMT"
SAME = "Sun, 01 Mar 2026 12:00:00 GMT"
AFTER = "Sun, 01 Mar 2026 12:00:01 GMT"


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, Verdict.PROCEED),
        ({"if-none-match": ETAG}, Verdict.NOT_MODIFIED),
        ({"if-none-match": f"W/{ETAG}"}, Verdict.NOT_MODIFIED),
        ({"if-none-match": f'"x", {ETAG}'}, Verdict.NOT_MODIFIED),
        ({"if-none-match": "*"}, Verdict.NOT_MODIFIED),
        ({"if-none-match": '"x"'}, Verdict.PROCEED),
        ({"if-modified-since": BEFORE}, Verdict.PROCEED),
        ({"if-modified-since": SAME}, Verdict.NOT_MODIFIED),
        ({"if-modified-since": AFTER}, Verdict.NOT_MODIFIED),
        ({"if-modified-since": "yesterday"}, Verdict.PROCEED),
        ({"if-modified-since": "Sun, 01 Mar 2026 12:00:01"}, Verdict.NOT_MODIFIED),
        ({"if-none-match": '"x"', "if-modified-since": AFTER}, Verdict.PROCEED),
        ({"if-match": ETAG}, Verdict.PROCEED),
        ({"if-match": "*"}, Verdict.PROCEED),
        ({"if-match": '"x"'}, Verdict.FAILED),
        ({"if-match": f"W/{ETAG}"}, Verdict.FAILED),
        ({"if-unmodified-since": BEFORE}, Verdict.FAILED),
        ({"if-unmodified-since": SAME}, Verdict.PROCEED),
        ({"if-match": ETAG, "if-unmodified-since": BEFORE}, Verdict.PROCEED),
        ({"if-match": ETAG, "if-none-match": ETAG}, Verdict.NOT_MODIFIED),
    ],
)
def test_conditions_are_judged_in_their_order(headers: dict[str, str], verdict: Verdict) -> None:
    assert evaluate(headers, etag=ETAG, modified=MODIFIED) is verdict


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        (None, True),
        (ETAG, True),
        (f"W/{ETAG}", False),
        ('"x"', False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
        ("nonsense", False),
    ],
)
def test_a_range_counts_only_for_the_same_content(condition: str | None, applies: bool) -> None:
    headers = {} if condition is None else {"if-range": condition}
    assert range_applies(headers, etag=ETAG, modified=MODIFIED) is applies
