"""The GitOps examples: Kustomize builds them, the API server takes them, the chart takes values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.conftest import Helm

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "gitops"
Kubectl = Callable[..., str]


def documents(text: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(text) if found]


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_kustomize_builds_what_the_api_server_takes(
    kubectl: Kubectl, namespace: str, stage: str
) -> None:
    built = kubectl("kustomize", str(EXAMPLES / "kustomize" / "overlays" / stage))
    found = documents(built)
    assert {item["kind"] for item in found} == {"Application", "DeviceGroup", "Package", "Rollout"}
    for item in found:
        item["metadata"]["namespace"] = namespace
    text = yaml.safe_dump_all(found)
    said = kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=text)
    assert said.count("serverside-applied") == len(found)
    # A second time nothing is to be done: no default of ours is drift to a tool.
    versions = kubectl(
        "get", "-f", "-", "-o", "jsonpath={.items[*].metadata.resourceVersion}", stdin=text
    )
    kubectl("apply", "--server-side", "-f", "-", stdin=text)
    again = kubectl(
        "get", "-f", "-", "-o", "jsonpath={.items[*].metadata.resourceVersion}", stdin=text
    )
    assert again == versions
    assert kubectl("diff", "--server-side", "-f", "-", stdin=text) == ""


def test_the_stages_differ_in_what_happens_by_itself(kubectl: Kubectl) -> None:
    def rollout(stage: str) -> dict[str, Any]:
        built = documents(kubectl("kustomize", str(EXAMPLES / "kustomize" / "overlays" / stage)))
        [found] = [item for item in built if item["kind"] == "Rollout"]
        return found

    assert rollout("staging")["metadata"]["namespace"] == "polyfleet-staging"
    assert "paused" not in rollout("staging")["spec"]
    assert rollout("production")["spec"]["paused"] is True


@pytest.mark.parametrize("file", ["argocd/applications.yaml", "flux/fleet.yaml"])
def test_the_chart_takes_the_values_of_the_tools(helm: Helm, file: str) -> None:
    values = [
        found
        for item in documents((EXAMPLES / file).read_text())
        if (
            found := item["spec"].get("values")
            or item["spec"].get("source", {}).get("helm", {}).get("valuesObject")
        )
    ]
    assert len(values) == 1
    assert helm.rendered(values[0])


@pytest.mark.parametrize("file", ["argocd/applications.yaml", "flux/fleet.yaml"])
def test_the_tools_are_pointed_at_what_is_there(file: str) -> None:
    root = EXAMPLES.parents[1]
    text = (EXAMPLES / file).read_text()
    assert all(path in text for path in ("charts/polyfleet", "overlays/production"))
    assert (root / "charts" / "polyfleet" / "Chart.yaml").exists()
    assert (EXAMPLES / "kustomize" / "overlays" / "production").exists()
