"""Which processes run, by which command, within which limits, and with which probes."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.release import ReleaseConfiguration
from polyfleet.fleet.workloads.processes import (
    ReleaseValues,
    command,
    port,
    probes,
    quantity,
    release_values,
    resources,
    routable,
    wanted_processes,
)


def application(*processes: tuple[str, int] | None) -> Application:
    workload: dict[str, Any] = {}
    if None not in processes:
        listed = [item for item in processes if item is not None]
        workload = {"processes": [{"type": type_, "replicas": count} for type_, count in listed]}
    document = {"metadata": {"name": "shop"}, "spec": {"name": "shop", "workload": workload}}
    return msgspec.convert(document, Application)


def build(**procfile: str) -> Build:
    spec = {"application": "shop", "image": "shop:1", "procfile": procfile}
    return msgspec.convert({"metadata": {"name": "b"}, "spec": spec}, Build)


def types(of: Application, built: Build) -> dict[str, int]:
    return {process.type: process.replicas for process in wanted_processes(of, built)}


def test_without_processes_one_web_or_one_cmd_runs() -> None:
    assert types(application(None), build(web="w", worker="v")) == {"web": 1}
    assert types(application(None), build(worker="v")) == {"cmd": 1}
    assert types(application(None), build()) == {"cmd": 1}


def test_types_that_the_procfile_lost_do_not_run() -> None:
    wanted = application(("web", 2), ("worker", 1), ("cmd", 0))
    assert types(wanted, build(web="w")) == {"web": 2, "cmd": 0}
    assert types(wanted, build()) == {"web": 2, "worker": 1, "cmd": 0}
    assert types(application(), build(web="w")) == {}


def test_web_is_reached_from_outside_and_else_cmd() -> None:
    assert routable(["cmd", "web", "worker"]) == "web"
    assert routable(["cmd", "worker"]) == "cmd"
    assert routable(["worker"]) is None


def test_a_line_of_the_procfile_is_left_to_the_shell() -> None:
    built = build(web='serve --host "$(hostname)" $PORT', worker="echo $$ $")
    assert command(built, "web") == ["/bin/sh", "-c", 'serve --host "$$(hostname)" $$PORT']
    assert command(built, "worker") == ["/bin/sh", "-c", "echo $$$$ $$"]
    assert command(built, "cmd") is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("512M", "512Mi"),
        ("512m", "512Mi"),
        ("1G", "1Gi"),
        ("1GB", "1Gi"),
        ("2Gi", "2Gi"),
        ("100k", "100Ki"),
        ("4096B", "4096"),
        ("0G", None),
        ("", None),
    ],
)
def test_memory_counts_in_powers_of_1024(text: str, wanted: str | None) -> None:
    assert quantity(text) == wanted


@given(st.integers(0, 1024))
def test_shares_are_a_share_of_a_cpu(shares: int) -> None:
    config = ReleaseConfiguration(uuid="u", cpu={"web": shares})
    found = resources(config, "web")
    if not shares:
        assert found == {}
        return
    millicores = int(found["requests"]["cpu"].removesuffix("m"))
    assert millicores == math.ceil(shares * 1000 / 1024)
    # The kernel gets at least the shares that were asked for, and not two more.
    assert shares <= millicores * 1024 / 1000 < shares + 2
    assert resources(config, "worker") == {}


@pytest.mark.parametrize(
    ("given_port", "wanted"), [("8080", 8080), ("0", 5000), ("70000", 5000), ("web", 5000)]
)
def test_the_port_is_the_users_if_it_is_one(given_port: str, wanted: int) -> None:
    assert port(release_values({"PORT": given_port})) == wanted


def test_only_a_web_process_is_probed_without_being_told_how() -> None:
    values = ReleaseValues()
    assert probes(values, "web", "web")["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert probes(values, "cmd", "cmd") == {}
    assert probes(values, "worker", "web") == {}


def test_health_checks_of_old_become_probes() -> None:
    values = release_values(
        {
            "HEALTHCHECK_URL": "healthz",
            "HEALTHCHECK_INITIAL_DELAY": "10",
            "HEALTHCHECK_TIMEOUT": "x",
            "HEALTHCHECK_PORT": "9000",
            "SECRET": "s",
        }
    )
    assert "s" not in dict(values.chosen).values()
    found = probes(values, "web", "web")
    assert found.keys() == {"readinessProbe", "livenessProbe"}
    for probe in found.values():
        assert probe["httpGet"] == {"path": "/healthz", "port": 9000}
        assert (probe["initialDelaySeconds"], probe["timeoutSeconds"]) == (10, 5)
