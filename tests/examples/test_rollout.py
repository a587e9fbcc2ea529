"""The rollout of the examples does what its comments promise."""

from collections.abc import Callable
from pathlib import Path

from tests.facade_fixtures import StartFacade

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXAMPLE = EXAMPLES / "rollout"


def test_a_dry_run_of_the_example_shows_its_steps(
    start_facade: StartFacade, kubectl: Callable[..., str]
) -> None:
    kubectl("apply", "-f", str(EXAMPLE / "rollout.yaml"))
    # Whatever the clocks of this machine say, who was made before the rollout counts.
    kubectl("patch", "rollout", "kettles", "--type=merge", "-p", CONTINUOUS)
    with start_facade() as server:
        token = server.user_token("ada", administrator=True)
        with server.client(token) as admin:
            answer = admin.get("/polyfleet/v1/rollouts/kettles/plan")
    assert answer.status_code == 200, answer.text
    assert [step["reaches"] for step in answer.json()["steps"]] == [1, 2, 3, 5]
    assert len(answer.json()["nextDevices"]) == 1


def test_no_group_of_the_sample_fleet_takes_the_kettles_from_it(
    start_facade: StartFacade, kubectl: Callable[..., str]
) -> None:
    kubectl("apply", "-f", str(EXAMPLES / "fleet"), "-f", str(EXAMPLE / "rollout.yaml"))
    with (
        start_facade() as server,
        server.client(server.user_token("ada", administrator=True)) as admin,
    ):
        answers = [
            admin.get(f"/polyfleet/v1/devices/kettle-{number}/decision").json()["decision"]
            for number in range(1, 6)
        ]
    # No operator runs here: the plan is still to be made.
    assert [answer["reason"] for answer in answers] == ["Waiting"] * 5


CONTINUOUS = '{"spec":{"targetSelection":"Continuous"}}'
