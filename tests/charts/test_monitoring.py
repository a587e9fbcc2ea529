"""Rules and dashboard: PromQL that parses, about metrics that the running processes have."""

import json
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.charts.conftest import CHART, Helm
from tests.facade_fixtures import FacadeServer
from tests.operator.conftest import start_operator  # noqa: F401 - a fixture

RULES = CHART / "files" / "rules.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
FOREIGN_LABELS = {"namespace", "pod"}
"""What Prometheus adds where it scrapes a pod."""


def rule_expressions() -> list[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def panel_expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    # Grafana puts these in before Prometheus sees them.
    return [text.replace("$__rate_interval", "5m").replace("$namespace", "fleet") for text in found]


def selectors(expression: Any) -> Iterator[promql_parser.VectorSelector]:
    """Yield every selector of a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    elif isinstance(expression, promql_parser.MatrixSelector):
        yield expression.vector_selector
    elif isinstance(expression, promql_parser.Call):
        for argument in expression.args:
            yield from selectors(argument)
    else:
        for name in ("expr", "lhs", "rhs", "param"):
            if (part := getattr(expression, name, None)) is not None:
                yield from selectors(part)


@pytest.mark.parametrize("text", [*rule_expressions(), *panel_expressions()])
def test_every_expression_parses(text: str) -> None:
    assert list(selectors(promql_parser.parse(text)))


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["alert"].startswith("Polyfleet")
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert rule["annotations"].keys() == {"summary", "description"}


def test_each_of_several_installations_misses_its_own(helm: Helm) -> None:
    """Another one's metrics must not hide that ours are gone."""
    rules = [
        item
        for item in helm.rendered({"metrics": {"rules": {"enabled": True}}})
        if item["kind"] == "PrometheusRule"
    ]
    texts = [rule["expr"] for group in rules[0]["spec"]["groups"] for rule in group["rules"]]
    absent = [text for text in texts if "absent(" in text]
    assert len(absent) == 2
    for text in absent:
        assert list(selectors(promql_parser.parse(text)))
        assert f'{{namespace="{helm.namespace}"}}' in text


def test_rules_and_dashboard_name_metrics_that_are_there(
    facade_server: FacadeServer,
    start_operator: Callable[..., AbstractContextManager[Any]],  # noqa: F811
    namespace: str,
) -> None:
    with facade_server.client() as client:
        client.get("/polyfleet/v1/whoami")
        exported = names_and_labels(client.get("/metrics").text)
    with start_operator(namespace) as operator:
        port = operator.wait_for("listening")["port"]
        operator.wait_for("looked at everything")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            for name, labels in names_and_labels(answer.read().decode()).items():
                exported.setdefault(name, set()).update(labels)
    for text in [*rule_expressions(), *panel_expressions()]:
        for selector in selectors(promql_parser.parse(text)):
            name = selector.name
            assert name in exported, f"{name} in {text}"
            asked = {matcher.name for matcher in selector.matchers.matchers} - {"__name__"}
            # A family without samples yet tells its name, not its labels.
            if exported[name]:
                assert asked - FOREIGN_LABELS <= exported[name], text


def test_no_metric_tells_of_a_single_device(facade_server: FacadeServer) -> None:
    with facade_server.client() as client:
        labels = set().union(*names_and_labels(client.get("/metrics").text).values())
    assert not labels & {"device", "deviceId", "device_id", "mac", "id", "user", "principal"}


def names_and_labels(text: str) -> dict[str, set[str]]:
    """Return the names under which series are found, with their labels."""
    found: dict[str, set[str]] = {}
    suffixes = {
        "counter": ("_total",),
        "histogram": ("_bucket", "_sum", "_count"),
    }
    for family in text_string_to_metric_families(text):
        for suffix in suffixes.get(family.type, ("",)):
            found.setdefault(family.name + suffix, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_the_dashboard_is_whole() -> None:
    board = json.loads(DASHBOARD.read_text())
    identifiers = [panel["id"] for panel in board["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(panel["description"] for panel in board["panels"] if panel["type"] != "row")
    variables = set(re.findall(r"\$\{?([a-z_]+)\}?", DASHBOARD.read_text()))
    assert variables == {"datasource", "namespace", "__rate_interval"}
    assert board["uid"] == "polyfleet"
    assert Path(os.fspath(DASHBOARD)).stat().st_size < 900_000
