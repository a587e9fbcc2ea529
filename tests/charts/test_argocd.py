"""Argo CD's health checks, run by a real Lua as Argo CD does: a table `obj` in, a table out."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from polyfleet.crds.generate import KINDS
from tests.charts.conftest import CHART, Helm
from tests.charts.table import TABLE

CHECKS = CHART / "files" / "argocd"


def health(script: str, obj: dict[str, Any]) -> tuple[str, str]:
    # Argo CD runs Lua 5.1 with neither io nor os.
    lua = lua51.LuaRuntime()
    lua.execute("os = nil; io = nil; dofile = nil; require = nil")
    lua.globals().obj = lua.table_from(obj, recursive=True)
    found = lua.execute(script)
    return found["status"], found["message"]


def ready(status: str, reason: str = "", message: str = "", seen: int = 1) -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": seen,
    }
    return {"conditions": [condition], "observedGeneration": seen}


def obj(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": {"generation": 1, **metadata}, "spec": spec or {}}
    return {**found, "status": status} if status is not None else found


@pytest.mark.parametrize(
    ("check", "given", "status", "words"),
    [
        ("ready", obj(), "Progressing", "not looked at it yet"),
        ("ready", obj(status=ready("True")), "Healthy", ""),
        ("ready", obj(status=ready("True"), generation=2), "Progressing", "last change"),
        (
            "ready",
            obj(status=ready("False", "GroupMissing", "no group g")),
            "Degraded",
            "GroupMissing: no group g",
        ),
        ("ready", obj(status=ready("True"), deletionTimestamp="x"), "Progressing", "deleted"),
        ("enrollment", obj(), "Suspended", "spec.approval"),
        ("enrollment", obj({"approval": "Approved"}), "Progressing", "being made"),
        ("enrollment", obj({"approval": "Denied"}), "Healthy", "denied"),
        ("rollout", obj(), "Progressing", "0 of 0"),
        (
            "rollout",
            obj(status={**ready("True"), "counts": {"total": 9, "updated": 9}}),
            "Healthy",
            "9 of 9",
        ),
        (
            "rollout",
            obj(status={**ready("True"), "counts": {"total": 9, "updated": 3}}),
            "Progressing",
            "3 of 9",
        ),
        (
            "rollout",
            obj(
                status={
                    **ready("True"),
                    "counts": {"total": 9, "updated": 3},
                    "awaits": "0123abcd/2",
                }
            ),
            "Suspended",
            "waits for promotion",
        ),
        (
            "rollout",
            obj(status={**ready("True"), "counts": {"total": 9, "updated": 3, "failed": 1}}),
            "Degraded",
            "1 failed",
        ),
        ("rollout", obj({"paused": True}, ready("True")), "Suspended", "paused"),
        ("rollout", obj({"aborted": True}, ready("True")), "Degraded", "aborted"),
        (
            "rollout",
            obj(status=ready("False", "PackageMissing", "no p")),
            "Degraded",
            "PackageMissing: no p",
        ),
        ("rollout", obj(status=ready("True"), generation=2), "Progressing", "last change"),
    ],
)
def test_health_is_what_the_object_says(
    check: str, given: dict[str, Any], status: str, words: str
) -> None:
    found = health((CHECKS / f"{check}.lua").read_text(), given)
    assert found[0] == status, found
    assert words in found[1]


def test_there_is_a_check_for_every_kind(helm: Helm) -> None:
    [found] = [
        item
        for item in helm.rendered(TABLE["access"])
        if item["metadata"]["name"] == "polyfleet-argocd-health-checks"
    ]
    prefix = "resource.customizations.health.polyfleet.dev_"
    assert set(found["data"]) == {prefix + kind.names.kind for kind in KINDS}
    for name, script in found["data"].items():
        assert health(script, obj())[0] in {"Progressing", "Suspended"}, name


def test_the_checks_in_the_chart_are_the_files(helm: Helm) -> None:
    names = {file.name for file in Path(CHECKS).glob("*")}
    assert names == {"ready.lua", "rollout.lua", "enrollment.lua"}
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["name"] == "polyfleet"
