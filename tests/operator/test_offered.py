"""The condition by which a package says whom its own offer reaches."""

from datetime import UTC, datetime
from typing import Any

import pytest

from polyfleet.operator.reconcile.packages import PackageFacts, PackageUsers, judge

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def offered(package: Any, *groups: str) -> tuple[str, str] | None:
    verdict = judge(PackageFacts(package, PackageUsers(), groups=frozenset(groups)), NOW)
    assert verdict.status is not None
    for condition in verdict.status["status"]["conditions"]:
        if condition["type"] == "Offered":
            return condition["status"], condition["reason"]
    return None


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        ({}, ("False", "Suspended")),
        ({"strategy": "general"}, ("True", "General")),
        ({"strategy": "targeted", "filters": []}, ("False", "NoFilters")),
        ({"strategy": "targeted", "filters": [{"group": "a"}]}, ("True", "Targeted")),
        ({"strategy": "targeted", "filters": [{"group": "b"}]}, ("False", "FilterMissing")),
        (
            {"strategy": "targeted", "filters": [{"group": "a"}, {"group": "b"}]},
            ("True", "FilterMissing"),
        ),
    ],
)
def test_a_package_says_whom_its_offer_reaches(
    make: Any, offer: dict[str, Any], says: tuple[str, str]
) -> None:
    assert offered(make("Package", "p", offer=offer), "a") == says


def test_an_offer_of_a_version_without_order_says_so(make: Any) -> None:
    package = make("Package", "p", version="blue", offer={"strategy": "general"})

    assert offered(package) == ("True", "UnorderedVersion")


def test_a_package_that_was_never_offered_says_nothing_of_offers(make: Any) -> None:
    assert offered(make("Package", "p")) is None
