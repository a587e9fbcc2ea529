"""The process: one active replica, whatever dies."""

import json
import re
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.operator.conftest import eventually


def get(operator: Any, path: str) -> tuple[int, str]:
    port = operator.wait_for("listening")["port"]
    url = f"http://127.0.0.1:{port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def serials(fleet: Any) -> list[str]:
    return [
        item["metadata"]["labels"]["polyfleet.dev/serial"]
        for item in fleet.all("Device")
        if "polyfleet.dev/serial" in item["metadata"].get("labels", {})
    ]


def lease_of(fleet: Any) -> Any:
    return fleet.leases.read_namespaced_lease("polyfleet-operator", fleet.namespace).spec


def test_it_answers_probes_and_metrics(operator: Any) -> None:
    _, process = operator
    assert get(process, "/healthz") == (200, '{"status": "ok", "reasons": []}')
    assert get(process, "/readyz")[0] == 200
    status, text = get(process, "/metrics")
    assert status == 200
    assert re.search(r'^polyfleet_queue_depth{queue="few"} [0-9]', text, re.MULTILINE)
    assert 'polyfleet_reconciles_total{controller="application",outcome="ok"}' in text
    assert 'polyfleet_cache_objects{kind="Device"}' in text


def test_devices_are_numbered_once_though_it_is_killed_while_adopting(
    own_fleet: Any, start_operator: Any
) -> None:
    count = 120
    for number in range(count):
        own_fleet.create("Device", f"d{number}")
    slow = {"operator_writes_per_second": 20, "lease_duration": 2}
    with start_operator(own_fleet.namespace, **slow) as first:
        first.wait_for("active")
        own_fleet.comes_to("Device", "d0", lambda _: len(serials(own_fleet)) > 5)
        first.kill()
    assert len(serials(own_fleet)) < count
    with start_operator(own_fleet.namespace, lease_duration=2):
        own_fleet.comes_to("Device", "d0", lambda _: len(serials(own_fleet)) == count)
    assert len(set(serials(own_fleet))) == count


def test_a_second_replica_stands_by_and_takes_over(own_fleet: Any, start_operator: Any) -> None:
    short = {"lease_duration": 3}
    with start_operator(own_fleet.namespace, **short) as first:
        first.wait_for("active")
        with start_operator(own_fleet.namespace, **short) as second:
            second.wait_for("cache filled")
            assert get(second, "/readyz")[0] == 200
            own_fleet.create("Device", "d1")
            own_fleet.adopted("Device", "d1")
            assert second.logged("active") is None
            first.kill()
            own_fleet.create("Device", "d2")
            second.wait_for("active")
            own_fleet.adopted("Device", "d2")


def test_it_ends_in_good_order_and_gives_the_lease_back(
    own_fleet: Any, start_operator: Any
) -> None:
    with start_operator(own_fleet.namespace) as operator:
        operator.wait_for("active")
        assert operator.stop() == 0
    assert lease_of(own_fleet).holder_identity == ""
    assert operator.logged("stopped") is not None


def test_it_ends_the_work_under_way_before_it_gives_the_lease_back(
    own_fleet: Any, start_operator: Any
) -> None:
    count, workers = 60, 10
    for number in range(count):
        own_fleet.create("Device", f"d{number}")
    slow = {
        "operator_writes_per_second": 3,
        "operator_workers": workers,
        "shutdown_timeout": 120,
    }
    with start_operator(own_fleet.namespace, **slow) as operator:
        own_fleet.comes_to("Device", "d0", lambda _: len(serials(own_fleet)) > workers)
        before = len(serials(own_fleet))
        operator.process.send_signal(signal.SIGTERM)
        eventually(lambda: lease_of(own_fleet).holder_identity == "", "the Lease is given back")
        numbered = len(serials(own_fleet))
        assert operator.process.wait(180) == 0
    # All that had a worker were numbered by then, and no others.
    assert before + workers // 2 <= numbered < count
    assert len(serials(own_fleet)) == numbered
    assert operator.logged("work under way is cut off") is None


def test_work_that_does_not_end_in_time_is_cut_off(own_fleet: Any, start_operator: Any) -> None:
    for number in range(30):
        own_fleet.create("Device", f"d{number}")
    slow = {"operator_writes_per_second": 0.01, "shutdown_timeout": 0.5}
    with start_operator(own_fleet.namespace, **slow) as operator:
        operator.wait_for("looked at everything")
        assert operator.stop() == 0
    assert operator.logged("work under way is cut off") is not None
    assert lease_of(own_fleet).holder_identity == ""


def test_work_is_cut_off_at_once_if_the_lease_is_lost_at_the_end(
    own_fleet: Any, start_operator: Any
) -> None:
    for number in range(30):
        own_fleet.create("Device", f"d{number}")
    slow = {"operator_writes_per_second": 0.01, "shutdown_timeout": 3600, "lease_duration": 3}
    with start_operator(own_fleet.namespace, **slow) as operator:
        operator.wait_for("looked at everything")
        operator.process.send_signal(signal.SIGTERM)
        operator.wait_for("stopping")
        lease = {"spec": {"holderIdentity": "another", "leaseDurationSeconds": 60}}
        own_fleet.leases.patch_namespaced_lease("polyfleet-operator", own_fleet.namespace, lease)
        assert operator.process.wait(60) == 1
    assert "the Lease is lost" in operator.log.read_text()


def test_it_ends_when_another_has_the_lease(own_fleet: Any, start_operator: Any) -> None:
    with start_operator(own_fleet.namespace, lease_duration=3) as operator:
        operator.wait_for("active")
        lease = {"spec": {"holderIdentity": "another", "leaseDurationSeconds": 60}}
        own_fleet.leases.patch_namespaced_lease("polyfleet-operator", own_fleet.namespace, lease)
        assert operator.process.wait(60) == 1
    assert "the Lease is lost" in operator.log.read_text()
    ended = operator.logged("ended")
    assert ended is not None
    assert "exception" not in ended


def test_it_says_what_is_wrong_with_its_settings(own_fleet: Any, start_operator: Any) -> None:
    with start_operator(own_fleet.namespace, operator_port="many") as operator:
        assert operator.process.wait(60) == 2
    assert "operator_port" in operator.log.read_text()


def test_logs_are_json_lines_without_what_objects_hold(operator: Any, unique: str) -> None:
    fleet, process = operator
    fleet.create("Device", unique, publicKeys=["-----SECRET-----"])
    fleet.adopted("Device", unique)
    lines = process.log.read_text().splitlines()
    assert all(json.loads(line)["level"] for line in lines)
    assert "SECRET" not in process.log.read_text()


@pytest.mark.parametrize("value", ["", "true", "no.membership", "joining.x", "0" * 63])
def test_odd_labels_do_not_stop_it(operator: Any, unique: str, value: str) -> None:
    fleet, process = operator
    odd = {f"group.polyfleet.dev/{unique}": value, "polyfleet.dev/application": "other"}
    fleet.create("Device", unique, labels=odd)
    device = fleet.adopted("Device", unique)
    assert device["metadata"]["labels"]["polyfleet.dev/application"] == "default"
    assert process.process.poll() is None
