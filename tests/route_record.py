"""Which routes the tests called and which answers they got: the source of docs/routes.md.

Every facade that a test started tells its request metrics when it stops. A run with
`--write-routes` writes the page. A run of the whole suite fails if a success that the page
promises was not seen in it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

PAGE = Path(__file__).resolve().parents[1] / "docs" / "routes.md"

Route = tuple[str, str, str]
"""Dialect, path and method."""

_METRIC = "polyfleet_http_requests"
_CONVERTOR = re.compile(r"\{(\w+):\w+\}")
_ROW = re.compile(r"\| `([A-Z]+) ([^`]+)` \| ([0-9, ]+) \|")
_HEADING = re.compile(r"## (\w+)")
_NO_ROUTE = "unmatched"
_REFUSALS = 400
_FAULTS = 500
_NO_METHOD = 405
_GONE = 499
_NO_METHODS = ("OPTIONS", "other")

_SEEN = "polyfleet routes seen"
_seen: dict[Route, set[int]] = defaultdict(set)


def note(facade_url: str) -> None:
    """Note what a facade has answered so far; nothing if it no longer answers."""
    try:
        text = httpx.get(f"{facade_url}/metrics", trust_env=False, timeout=10.0).text
    except httpx.HTTPError:
        return
    for family in text_string_to_metric_families(text):
        if family.name != _METRIC:
            continue
        for sample in family.samples:
            labels = sample.labels
            status = int(labels["status"])
            if sample.name.endswith("_total") and labels["route"] != _NO_ROUTE and status < _FAULTS:
                path = _CONVERTOR.sub(r"{\1}", labels["route"])
                _seen[labels["dialect"], path, labels["method"]].add(status)


def promised(page: str) -> dict[Route, set[int]]:
    """Read the page's tables."""
    routes: dict[Route, set[int]] = {}
    dialect = ""
    for line in page.splitlines():
        if heading := _HEADING.fullmatch(line):
            dialect = heading[1]
        elif row := _ROW.fullmatch(line):
            routes[dialect, row[2], row[1]] = {int(status) for status in row[3].split(",")}
    return routes


def rendered(routes: dict[Route, set[int]]) -> str:
    """Write the page."""
    lines = [
        "# Routes, and what they were seen to answer",
        "",
        "Written by `make routes` from what the tests got over real HTTP. `make test` fails if a",
        "success on this page is not seen again. Other methods (but HEAD, OPTIONS) are 405.",
    ]
    for dialect in sorted({route[0] for route in routes}):
        lines += ["", f"## {dialect}", "", "| route | answers |", "|---|---|"]
        for route in sorted(routes):
            if route[0] == dialect:
                statuses = ", ".join(str(status) for status in sorted(routes[route]))
                lines.append(f"| `{route[2]} {route[1]}` | {statuses} |")
    return "\n".join(lines) + "\n"


def missing(expected: dict[Route, set[int]], seen: dict[Route, set[int]]) -> list[str]:
    """Name the promised answers that were not seen."""
    return [
        f"{method} {path} ({dialect}) answered {status} in no test"
        for (dialect, path, method), statuses in sorted(expected.items())
        for status in sorted(statuses - seen.get((dialect, path, method), set()))
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the page."""
    parser.addoption("--write-routes", action="store_true", help="write docs/routes.md")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the page, or compare a whole run with it; a worker of xdist tells the controller."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[_SEEN] = [(*route, *statuses) for route, statuses in _seen.items()]
        return
    if exitstatus != pytest.ExitCode.OK or config.option.collectonly:
        return
    if config.option.write_routes:
        PAGE.write_text(rendered(_worth_reading(_seen.items())))
    elif _is_whole(config):
        lost = missing(_without_chance(promised(PAGE.read_text())), _seen)
        if lost:
            print("\ndocs/routes.md promises what no test saw:", *lost, sep="\n  ")  # noqa: T201
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker's tests saw."""
    for dialect, path, method, *statuses in getattr(node, "workeroutput", {}).get(_SEEN, ()):
        _seen[dialect, path, method].update(statuses)


def _is_whole(config: pytest.Config) -> bool:
    chosen = config.option.keyword or config.option.markexpr or config.option.deselect
    return config.args_source == pytest.Config.ArgsSource.TESTPATHS and not chosen


def _without_chance(routes: dict[Route, set[int]]) -> dict[Route, set[int]]:
    """Leave out refusals: whether one of two writers gets one is a matter of chance."""
    return {
        route: {status for status in statuses if status < _REFUSALS}
        for route, statuses in routes.items()
    }


def _worth_reading(seen: Iterable[tuple[Route, set[int]]]) -> dict[Route, set[int]]:
    """Leave out what is no route, and how clients went away: that is a matter of chance."""
    kept = {route: statuses - {_GONE} for route, statuses in seen if route[2] not in _NO_METHODS}
    return {route: statuses for route, statuses in kept.items() if statuses - {_NO_METHOD}}
