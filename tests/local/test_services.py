"""Services as real processes: a module with an HTTP server, run as operator and facade are."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from polyfleet.local.errors import StartError
from polyfleet.local.ports import free_port
from polyfleet.local.processes import is_running, wait_until
from polyfleet.local.services import Service, ServiceRunner
from polyfleet.local.state import State

MODULE = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())

address = os.environ["POLYFLEET_HOST"], int(os.environ["POLYFLEET_PORT"])
http.server.HTTPServer(address, Handler).serve_forever()
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    # A process finds modules in the folder in which it is started.
    (tmp_path / "tell.py").write_text(MODULE)
    return Service("teller", "tell", free_port(), {"POLYFLEET_TOLD": "one"})


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[ServiceRunner]:
    runner = ServiceRunner(State(tmp_path / "state.json"), tmp_path)
    yield runner
    runner.stop("teller")


def environment_of(runner: ServiceRunner) -> dict[str, str]:
    told: dict[str, str] = httpx.get(runner.url("teller")).json()
    return told


def pid(tmp_path: Path) -> int:
    return State.load(tmp_path / "state.json").processes["teller"].pid


def test_a_service_runs_with_its_settings_and_no_others(
    runner: ServiceRunner, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFLEET_LEFT_OVER", "from another time")

    assert runner.ensure(service) is False

    told = environment_of(runner)
    assert told["POLYFLEET_TOLD"] == "one"
    assert "POLYFLEET_LEFT_OVER" not in told


def test_a_running_service_is_kept(runner: ServiceRunner, service: Service, tmp_path: Path) -> None:
    runner.ensure(service)
    before = pid(tmp_path)

    again = ServiceRunner(State.load(tmp_path / "state.json"), tmp_path)

    assert again.ensure(service) is True
    assert pid(tmp_path) == before


def test_a_service_that_died_comes_back_at_its_address(
    runner: ServiceRunner, service: Service, tmp_path: Path
) -> None:
    runner.ensure(service)
    url, record = runner.url("teller"), State.load(tmp_path / "state.json").processes["teller"]
    os.kill(record.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(record), seconds=60)

    assert runner.ensure(service) is False

    assert runner.url("teller") == url
    assert environment_of(runner)


def test_other_settings_start_a_service_anew(runner: ServiceRunner, service: Service) -> None:
    runner.ensure(service)

    assert runner.ensure(replace(service, settings={"POLYFLEET_TOLD": "two"})) is False

    assert environment_of(runner)["POLYFLEET_TOLD"] == "two"


def test_a_service_is_started_anew_when_asked(
    runner: ServiceRunner, service: Service, tmp_path: Path
) -> None:
    runner.ensure(service)
    before = pid(tmp_path)

    assert runner.ensure(service, restart=True) is False

    assert pid(tmp_path) != before


def test_a_taken_port_is_passed_over(runner: ServiceRunner, service: Service) -> None:
    with socket.create_server(("127.0.0.1", service.first_port)):
        runner.ensure(service)

        assert int(environment_of(runner)["POLYFLEET_PORT"]) > service.first_port


def test_of_two_that_start_at_once_each_gets_a_port_of_its_own(
    service: Service, tmp_path: Path
) -> None:
    late = MODULE.replace("address =", "import time\ntime.sleep(1)\naddress =")
    runners = {}
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "tell.py").write_text(late)
        runners[name] = ServiceRunner(State(directory / "state.json"), directory)
    try:
        with ThreadPoolExecutor() as pool:
            started = [
                pool.submit(runner.ensure, replace(service, settings={"POLYFLEET_TOLD": name}))
                for name, runner in runners.items()
            ]
            assert [each.result() for each in started] == [False, False]
        for name, runner in runners.items():
            assert environment_of(runner)["POLYFLEET_TOLD"] == name
    finally:
        for runner in runners.values():
            runner.stop("teller")


def test_a_service_that_ends_is_reported_with_its_log(
    runner: ServiceRunner, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "tell.py").write_text("raise SystemExit('the setting X is wrong')")

    with pytest.raises(StartError, match=r"teller ended; its log:\nthe setting X is wrong"):
        runner.ensure(service)


def test_a_service_that_is_never_ready_is_reported_with_its_log(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "tell.py").write_text("print('idle', flush=True)\nimport time\ntime.sleep(600)")
    runner = ServiceRunner(State(tmp_path / "state.json"), tmp_path, ready_seconds=3)

    try:
        with pytest.raises(StartError, match=r"not ready after 3 s; its log:\nidle"):
            runner.ensure(service)
    finally:
        runner.stop("teller")
