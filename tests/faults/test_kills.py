"""Every process is killed again and again under a mixed load, and nothing is lost."""

import asyncio
import json
import os
import random
import secrets
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyfleet.api.core.identity.endpoint_tokens import digest
from polyfleet.local.control_plane import ControlPlane
from polyfleet.simulator.dialects.otao import endpoint_token
from polyfleet.simulator.faults import Fault
from polyfleet.simulator.keys import KeyPool
from polyfleet.simulator.simulation import Outcome, Plan, Simulation, machines_of
from tests.faults.ledger import Ledger
from tests.faults.people import People
from tests.faults.service import LoopThread, balanced, beside
from tests.faults.site import PATIENCE, Site, site_at, wait_for

OLD, NEW = "v1.0.0", "v2.0.0"
TYPE = "simulated"
DEVICES = 120
KILLS = 8
FAULTS = {Fault.SLOW: 0.05, Fault.DYING: 0.1, Fault.FLAPPING: 0.1, Fault.REPEATING: 0.1}
# `make faults` names more of them.
SEEDS = [int(seed) for seed in os.environ.get("POLYFLEET_FAULT_SEEDS", "20261125").split()]
pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_dies_what_was_acknowledged_is_there_and_devices_converge(
    plane: ControlPlane, tmp_path: Path, seed: int
) -> None:
    keys = KeyPool(DEVICES)
    with (
        site_at(plane.kubeconfig, tmp_path / "site") as site,
        balanced([each.port for each in site.facades]) as url,
        beside() as thread,
    ):
        site.wait_ready()
        plan = plan_of(url, site.token, release(url, site.token), seed)
        register_devices_of_kaa(site, plan)
        ledger = Ledger()
        load = Load(thread, plan, ledger, keys)
        kill_at_random(site, random.Random(seed), KILLS)  # noqa: S311 - chance that comes again
        site.wait_ready()
        outcome = load.end()
        assert ledger.writes > 4 * KILLS, ledger.answers  # how many more is a matter of speed
        assert any(who.endswith(" lost") for who in ledger.answers), "no death was felt"
        check_ledger(site, url, ledger)
        check_devices(site, outcome)
        check_marks(site)


class Load:
    """The simulated devices and the people, beside the test."""

    def __init__(self, thread: LoopThread, plan: Plan, ledger: Ledger, keys: KeyPool) -> None:
        self._thread = thread
        self._people = People(plan.url, plan.token or "", ledger, plan.seed)
        self._simulation = Simulation(plan, keys)
        self._writing = asyncio.run_coroutine_threadsafe(self._people.run(), thread.loop)
        self._living = asyncio.run_coroutine_threadsafe(self._simulation.run(), thread.loop)

    def end(self) -> Outcome:
        """Let the people end what they do, and the devices converge."""
        self._thread.loop.call_soon_threadsafe(self._people.over.set)
        self._writing.result(3 * PATIENCE)
        outcome = self._living.result(1000)
        behind = [(m.identifier, m.entered, m.version) for m in outcome.behind()]
        assert outcome.converged, behind
        return outcome


def plan_of(url: str, token: str, group: str, seed: int) -> Plan:
    """Return what the simulated devices are and what is to become of them."""
    return Plan(
        url=url,
        token=token,
        devices=DEVICES,
        seed=seed,
        dialects=("rdfm", "inventory", "otao"),
        faults=FAULTS,
        group=group,
        device_type=TYPE,
        version=OLD,
        until_version=NEW,
        duration=1000,
        interval=2,
        sockets=0.1,
    )


def register_devices_of_kaa(site: Site, plan: Plan) -> None:
    """Make the devices that no API has a way to register, by kubectl's way."""
    attributes = [{"name": "device_type", "value": {"string": TYPE}}]
    for machine in machines_of(plan):
        if machine.dialect == "otao":
            name = machine.identifier
            tokens = [digest(endpoint_token(name))]
            site.fleet.create(
                "Device", name, deviceId=name, attributes=attributes, endpointTokenHashes=tokens
            )


def release(url: str, token: str) -> str:
    """Offer the new version to the members of a new group; return the group's name."""
    name = f"fleet-{secrets.token_hex(4)}"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as people:

        def post(path: str, **options: Any) -> Any:
            replies: list[httpx.Response] = []

            def done() -> bool:
                replies.append(people.post(path, **options))
                return replies[-1].status_code == 200

            # The next request may come to a replica that has not heard of the last one yet.
            wait_for(done, lambda: replies[-1].text)
            return replies[-1].json()

        package = post(
            "/api/v1/packages",
            data={"rdfm.software.version": NEW, "rdfm.hardware.devtype": TYPE},
            files={"file": ("image", f"{NEW}\n".encode() + secrets.token_bytes(100_000))},
        )
        made = post("/api/v2/groups", json={"metadata": {"rdfm.group.name": name}})
        place = f"/api/v2/groups/{made['id']}"
        post(f"{place}/package", json={"packages": [package["id"]]})
        post(f"{place}/policy", json={"policy": f"exact_match,{NEW}"})
    return name


def kill_at_random(site: Site, chance: random.Random, kills: int) -> None:
    """Kill one process after the other, each dead for a while; who comes back is not waited for.

    No process dies before it has done anything: that would only be the same death twice.
    """
    for _ in range(kills):
        time.sleep(chance.uniform(0.5, 3.0))
        victim = chance.choice(site.replicas)
        victim.wait_ready()
        time.sleep(chance.uniform(0.0, 1.0))
        victim.kill()
        time.sleep(chance.uniform(0.0, 1.5))
        victim.start()


def check_ledger(site: Site, url: str, ledger: Ledger) -> None:
    """Compare what was acknowledged with what the cluster holds."""
    fleet = site.fleet
    devices = {item["spec"]["deviceId"]: item for item in fleet.all("Device")}
    assert ledger.devices <= devices.keys(), ledger.devices - devices.keys()
    assert not ledger.deleted & devices.keys()
    applications = {item["spec"]["name"]: item for item in fleet.all("Application")}
    for name, number in ledger.labels.items():
        assert "round" in json.dumps(applications[name])
        assert f'"round": "{number}"' in json.dumps(applications[name])
    commands = {item["metadata"]["name"] for item in fleet.all("Command")}
    assert ledger.commands <= commands
    headers = {"Authorization": f"Bearer {site.token}"}
    for facade in site.facades:
        with httpx.Client(
            base_url=facade.url, headers=headers, timeout=60, trust_env=False
        ) as people:
            for serial, policy in ledger.policies.items():
                assert people.get(f"/api/v2/groups/{serial}").json()["policy"] == policy
            for serial, members in ledger.members.items():
                found = people.get(f"/api/v2/groups/{serial}").json()["devices"]
                assert set(found) == members
            packages = {item["id"]: item for item in people.get("/api/v1/packages").json()}
    for serial, content in ledger.packages.items():
        assert packages[serial]["sha256"] == sha256(content).hexdigest()


def check_devices(site: Site, outcome: Outcome) -> None:
    """All who say that they run the new version are known to; all have a serial of their own."""
    told = {m.identifier: m.acknowledged for m in outcome.machines if m.acknowledged}
    assert set(told.values()) == {NEW}

    def known() -> dict[str, str | None]:
        return {
            item["spec"]["deviceId"]: item.get("status", {}).get("software", {}).get("version")
            for item in site.fleet.all("Device")
        }

    wait_for(
        lambda: all(known().get(name) == version for name, version in told.items()),
        lambda: f"the versions are known: {Counter(known().values())}",
    )

    def serials() -> list[str | None]:
        return [
            item["metadata"].get("labels", {}).get("polyfleet.dev/serial")
            for item in site.fleet.all("Device")
        ]

    wait_for(lambda: None not in serials(), lambda: "every device has a serial")
    found = serials()
    assert len(set(found)) == len(found)


def check_marks(site: Site) -> None:
    """No change of members is left half done."""

    def marks() -> list[str]:
        return [
            f"{item['metadata']['name']}: {value}"
            for item in site.fleet.all("Device")
            for key, value in item["metadata"].get("labels", {}).items()
            if key.startswith("group.polyfleet.dev/") and value.startswith(("joining", "leaving"))
        ]

    wait_for(lambda: not marks(), lambda: f"no mark is left: {marks()}")
