"""The sample fleet gives the answers that its comments promise."""

from collections.abc import Callable
from pathlib import Path

import httpx

from tests.facade_fixtures import StartFacade

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fleet"


def decide(admin: httpx.Client, device: str) -> tuple[str, str | None]:
    answer = admin.get(f"/polyfleet/v1/devices/{device}/decision")
    assert answer.status_code == 200, answer.text
    decision = answer.json()["decision"]
    package = decision["package"]
    return decision["reason"], package["version"] if package else None


def test_each_device_gets_what_the_sample_says(
    start_facade: StartFacade,
    kubectl: Callable[..., str],
) -> None:
    kubectl("apply", "-f", str(SAMPLE))
    with start_facade() as server:
        token = server.user_token("ada", administrator=True)
        with server.client(token) as admin:
            answers = {
                name: decide(admin, name) for name in ("gateway-1", "gateway-2", "gateway-3")
            }
            lamp = decide(admin, "lamp-1")
    assert answers == {
        "gateway-1": ("PolicyVersion", "v2.0.0"),
        "gateway-2": ("PolicyVersion", "v2.0.0"),
        "gateway-3": ("Held", None),
    }
    assert lamp == ("WrongDeviceType", None)


def test_applying_it_twice_changes_nothing(kubectl: Callable[..., str]) -> None:
    kubectl("apply", "-f", str(SAMPLE))
    again = kubectl("apply", "-f", str(SAMPLE)).splitlines()
    assert len(again) == 7
    assert all(line.endswith(" unchanged") for line in again)
