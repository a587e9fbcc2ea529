"""Hundreds of simulated devices against a real facade and operator."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from polyfleet.api.core.identity.endpoint_tokens import digest
from polyfleet.simulator.dialects.otao import endpoint_token
from polyfleet.simulator.faults import Fault
from polyfleet.simulator.keys import KeyPool
from polyfleet.simulator.people import Refused
from polyfleet.simulator.report import document
from polyfleet.simulator.simulation import Outcome, Plan, Simulation, machines_of, simulate
from tests.operator.conftest import eventually
from tests.simulator.conftest import DEVICES
from tests.stage import Stage

OLD, NEW = "v1.0.0", "v2.0.0"
DURATION = 800.0
"""How long a slow machine may take; nothing is waited for once the fleet has converged."""
pytestmark = pytest.mark.timeout(1000)
Run = Callable[..., CompletedProcess[str]]
FAULTS = {
    Fault.OFFLINE: 0.05,
    Fault.SLOW: 0.05,
    Fault.LYING: 0.1,
    Fault.FAILING: 0.05,
    Fault.DYING: 0.15,
    Fault.FLAPPING: 0.15,
    Fault.REPEATING: 0.1,
}


def release(stage: Stage, group: str) -> None:
    """Offer the new version to the members of a new group."""
    with stage.server.client(stage.token) as people:
        package = people.post(
            "/api/v1/packages",
            data={"rdfm.software.version": NEW, "rdfm.hardware.devtype": "simulated"},
            files={"file": ("image", f"{NEW}\n".encode() + secrets.token_bytes(300_000))},
        )
        assert package.status_code == 200, package.text
        made = people.post("/api/v2/groups", json={"metadata": {"rdfm.group.name": group}})
        place = f"/api/v2/groups/{made.json()['id']}"
        for path, body in (
            (f"{place}/package", {"packages": [package.json()["id"]]}),
            (f"{place}/policy", {"policy": f"exact_match,{NEW}"}),
        ):
            assert people.post(path, json=body).status_code == 200


def plan(stage: Stage, **changes: Any) -> Plan:
    """Return a plan of a group of its own, whose ids no other test uses."""
    values: dict[str, Any] = {
        "url": stage.server.url,
        "token": stage.token,
        "devices": 40,
        "prefix": f"sim-{secrets.token_hex(4)}",
        "version": OLD,
        "until_version": NEW,
        "duration": DURATION,
        "interval": 0.5,
        "sockets": 0.2,
    }
    return Plan(**{**values, **changes})


def seen_by_the_cluster(stage: Stage, outcome: Outcome) -> dict[str, str | None]:
    """Return the versions that the Devices' status tells, by id."""
    return {
        item["spec"]["deviceId"]: item.get("status", {}).get("software", {}).get("version")
        for item in stage.fleet.all("Device")
        if item["spec"]["deviceId"].startswith(outcome.plan.prefix)
    }


def faults_of_the_server(outcome: Outcome) -> dict[str, int]:
    """Return how often a route answered with a fault of the server, or not at all."""
    return {
        route: found.lost + sum(n for status, n in found.statuses.items() if status >= 500)
        for route, found in outcome.tally.routes.items()
        if found.lost or any(status >= 500 for status in found.statuses)
    }


@pytest.mark.parametrize(("devices", "seed"), [(DEVICES, 1), (DEVICES // 4, 20_261_125)])
def test_a_fleet_with_every_fault_comes_to_the_version_that_it_should(
    stage: Stage, keys: KeyPool, devices: int, seed: int
) -> None:
    group = f"fleet-{secrets.token_hex(4)}"
    release(stage, group)
    wanted = plan(
        stage,
        devices=devices,
        seed=seed,
        dialects=("rdfm", "inventory"),
        faults=FAULTS,
        group=group,
        interval=2.0,
    )
    outcome = simulate(wanted, keys)
    assert outcome.converged, json.dumps(document(outcome), indent=1)
    assert not faults_of_the_server(outcome)
    assert not outcome.tally.events["files that are not what was announced"]

    for machine in outcome.machines:
        script = machine.script
        if script.lie == "type":
            assert machine.offered == 0, "a package for another type was offered"
        if Fault.OFFLINE in script.faults:
            assert not machine.entered
        if Fault.FAILING in script.faults:
            assert machine.version == OLD
        if script.deaths and script.hopeful:
            assert machine.died == len(script.deaths)
            assert machine.attempts > machine.died

    told = {m.identifier: m.acknowledged for m in outcome.machines if m.acknowledged}

    def agrees() -> bool:
        cluster = seen_by_the_cluster(stage, outcome)
        return all(cluster.get(name) == version for name, version in told.items())

    eventually(agrees, lambda: str(Counter(seen_by_the_cluster(stage, outcome).values())))
    silent = {m.identifier for m in outcome.machines if Fault.OFFLINE in m.script.faults}
    assert not silent & seen_by_the_cluster(stage, outcome).keys()


def test_devices_of_drogue_cloud_do_what_they_are_commanded(stage: Stage, keys: KeyPool) -> None:
    wanted = plan(
        stage,
        dialects=("drogue",),
        application=f"app-{secrets.token_hex(4)}",
        faults={Fault.DYING: 0.2, Fault.FLAPPING: 0.2, Fault.REPEATING: 0.2, Fault.FAILING: 0.1},
    )
    outcome = simulate(wanted, keys)
    assert outcome.converged, json.dumps(document(outcome), indent=1)
    assert not faults_of_the_server(outcome)
    reached = [m for m in outcome.machines if m.offered]
    assert len(outcome.tally.deliveries) >= len(reached) > 0
    answers = [
        item["status"]["answer"]["status"]
        for item in stage.fleet.all("Command")
        if item["spec"]["application"] == wanted.application and "answer" in item.get("status", {})
    ]
    assert answers.count(200) == sum(machine.installed for machine in outcome.machines)


def test_devices_of_kaa_install_what_is_offered_and_say_what_they_cannot(
    stage: Stage, keys: KeyPool
) -> None:
    group = f"fleet-{secrets.token_hex(4)}"
    wanted = plan(
        stage,
        dialects=("otao",),
        group=group,
        devices=30,
        version="1.0.0",
        until_version="2.0.0",
        faults={Fault.DYING: 0.2, Fault.FAILING: 0.2, Fault.REPEATING: 0.2, Fault.FLAPPING: 0.1},
    )
    for machine in machines_of(wanted):
        name, token = machine.identifier, digest(endpoint_token(machine.identifier))
        stage.fleet.create("Device", name, deviceId=name, endpointTokenHashes=[token])
    with stage.server.client(stage.token) as people:
        made = people.post(
            "/api/v1/applications/default/software/2.0.0",
            json={
                "specification": {"channel": "stable"},
                "rolloutStrategy": "targeted",
                "filters": [{"filterId": group}],
            },
        )
        assert made.status_code == 201, made.text
    outcome = simulate(wanted, keys)
    assert outcome.converged, json.dumps(document(outcome), indent=1)
    assert not faults_of_the_server(outcome)
    told = {m.identifier: m.acknowledged for m in outcome.machines}
    eventually(lambda: seen_by_the_cluster(stage, outcome) == told, "the cluster agrees")
    failed = {m.identifier for m in outcome.machines if m.failed}
    updates = [
        item["status"]["update"]
        for item in stage.fleet.all("Device")
        if item["spec"]["deviceId"] in failed
    ]
    assert failed
    assert len(updates) == len(failed)
    # Who failed asks again, and may just have been offered it once more.
    assert all(item["state"] == "Failed" or item["attempts"] > 1 for item in updates)


def test_a_fleet_that_nobody_lets_in_does_not_come_anywhere(stage: Stage, keys: KeyPool) -> None:
    outcome = simulate(plan(stage, token=None, devices=5, duration=2.0), keys)
    assert outcome.converged is False
    assert len(outcome.behind()) == 5
    assert set(outcome.tally.routes["/api/v1/auth/device"].statuses) == {401}
    assert not any(machine.entered for machine in outcome.machines)


def test_people_without_the_right_end_it_at_once(stage: Stage, keys: KeyPool) -> None:
    token = stage.server.user_token(f"reader-{secrets.token_hex(4)}")
    with pytest.raises(Refused, match="403"):
        simulate(plan(stage, token=token, devices=2), keys)


def test_a_facade_that_is_not_there_is_counted_and_borne(keys: KeyPool) -> None:
    nobody = Plan(url="http://127.0.0.1:9", devices=3, until_version=NEW, duration=1, interval=0.1)
    outcome = simulate(nobody, keys)
    assert outcome.converged is False
    assert outcome.tally.routes["/api/v1/auth/device"].lost > 3


async def test_a_simulation_can_be_ended_before_its_time(stage: Stage, keys: KeyPool) -> None:
    running = Simulation(plan(stage, devices=5, duration=600, until_version=None), keys)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(60):
        while not all(machine.entered for machine in running.machines):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        running.over.set()
        outcome = await task
    assert outcome.converged is None


class TestCommand:
    """`polyfleet simulate`, the command itself."""

    @pytest.fixture
    def run(self, stage: Stage, tmp_path: Path) -> Run:
        """Provide the command as a process, with the facade's address and a token."""

        def run(*arguments: str, url: str = stage.server.url) -> CompletedProcess[str]:
            environment = {
                **os.environ,
                "POLYFLEET_URL": url,
                "POLYFLEET_ADMIN_TOKEN": stage.token,
                "XDG_CACHE_HOME": str(tmp_path),
            }
            command = [sys.executable, "-m", "polyfleet.cli.main", "simulate", *arguments]
            return subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=900
            )

        return run

    def test_it_prints_what_came_of_it(self, run: Run, stage: Stage) -> None:
        group, seed = f"fleet-{secrets.token_hex(4)}", str(secrets.randbelow(10**9))
        release(stage, group)
        done = run(
            *("--devices", "6", "--seed", seed, "--until-version", NEW, "--group", group),
            *("--interval", "0.2", "--faults", "dying=1", "--duration", "800"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"converged: 6 devices run {NEW}" in done.stdout
        assert "dying" in done.stdout

    def test_it_ends_with_4_if_the_fleet_does_not_come_to_the_version(self, run: Run) -> None:
        seed = str(secrets.randbelow(10**9))
        done = run(
            *("--devices", "3", "--seed", seed, "--until-version", "v9", "--json"),
            *("--duration", "1", "--interval", "0.2"),
        )
        assert done.returncode == 4, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert told["converged"] is False
        assert len(told["behind"]) == told["devices"] == 3

    def test_another_machine_must_be_named(self, run: Run) -> None:
        done = run(url="http://192.0.2.1:8080")
        assert done.returncode == 1
        assert "name it by --url" in done.stderr

    def test_faults_that_are_none_are_refused(self, run: Run) -> None:
        done = run("--faults", "x=1")
        assert done.returncode == 1
        assert "'x' is no fault" in done.stderr
