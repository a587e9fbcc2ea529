"""Since when a group has its selector, whatever else is written to the group."""

from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector, SelectorRequirement
from polyfleet.fleet.objects.metadata import ManagedFields
from polyfleet.fleet.rollout.dates import dated_selector, member_since, selector_since
from tests.fleet import make

MADE, EDITED, ANNOTATED = "2026-05-01T12:00:00Z", "2026-05-02T12:00:00Z", "2026-05-03T12:00:00Z"
RING = LabelSelector(match_labels={"ring": "a"})
SITE = LabelSelector(
    match_expressions=(SelectorRequirement(key="ring", operator="In", values=("a", "b")),)
)
DEVICE = make.device("d1", labels={"ring": "a"}, managed_fields=(ManagedFields(time=MADE),))


def group(selector: LabelSelector | None, written: str, known: DeviceGroup | None = None) -> Any:
    """Return a group as it was last written, with what the operator has noted of it before."""
    made = make.group("g", selector=selector, managed_fields=(ManagedFields(time=written),))
    noted = dated_selector(known) if known is not None else None
    return msgspec.structs.replace(
        made, status=msgspec.structs.replace(made.status, selector=noted)
    )


def microseconds(found: DeviceGroup) -> int:
    since = member_since(DEVICE.metadata, found)
    assert since is not None
    return since


def test_another_write_to_the_group_makes_nobody_late() -> None:
    first = group(RING, MADE)
    annotated = group(RING, ANNOTATED, known=first)
    assert selector_since(annotated) == MADE
    assert microseconds(annotated) == microseconds(first)
    assert dated_selector(annotated) == dated_selector(first)


@pytest.mark.parametrize("other", [SITE, LabelSelector(), LabelSelector(match_labels={"x": "y"})])
def test_another_selector_is_dated_anew(other: LabelSelector) -> None:
    first = group(RING, MADE)
    edited = group(other, EDITED, known=first)
    assert selector_since(edited) == EDITED
    noted = dated_selector(edited)
    assert noted is not None
    assert noted.since == EDITED
    assert noted != dated_selector(first)


def test_what_is_not_noted_yet_is_dated_by_the_last_write() -> None:
    assert microseconds(group(RING, ANNOTATED)) > microseconds(group(RING, MADE))


def test_the_order_of_labels_makes_no_other_selector() -> None:
    one = LabelSelector(match_labels={"ring": "a", "site": "b"})
    two = LabelSelector(match_labels={"site": "b", "ring": "a"})
    assert selector_since(group(two, ANNOTATED, known=group(one, MADE))) == MADE


def test_a_group_without_a_selector_has_none_to_date() -> None:
    assert dated_selector(group(None, MADE, known=group(RING, MADE))) is None
