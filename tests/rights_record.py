"""`pytest --check-rights`: are all rights of operator and facade used, and do they need no other?

Both processes run under the chart's own Roles in every test. With the option the API server
writes down what their service accounts ask for; at the end the run fails for every right of
charts/polyfleet/rbac that nobody used. What was forbidden is shown: some tests take rights away
on purpose, so that is for a person to read. Who may watch or list all may read one, too, and who
may watch may list: that takes nothing more, and is needed in rare cases alone, such as conflicts
and API servers that cannot stream lists. It says something about a run of the whole suite, or
of `make rights`, only: a right that the tests chosen do not need looks unused.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

RULES = Path(__file__).resolve().parents[1] / "charts" / "polyfleet" / "rbac"
COMPONENTS = ("operator", "facade")
OPTION = "--check-rights"
_ASKED = "asked"


class Right(NamedTuple):
    """One thing that a Role lets do; `name` is empty where the Role names no object."""

    group: str
    resource: str
    verb: str
    name: str = ""


@dataclass(frozen=True)
class Asked:
    """What a component asked the API server for, and whether it might."""

    component: str
    right: Right
    allowed: bool


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="fail for rights that no test used")


def is_wanted(config: pytest.Config) -> bool:
    return bool(config.getoption(OPTION))


def note(log: Path) -> None:
    """Read an audit log before its control plane takes it away."""
    _seen.update(asked_in(log.read_text().splitlines()))


_seen: Counter[Asked] = Counter()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail for a right that nobody used; a worker of xdist tells the controller what it saw."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[_ASKED] = [
            (asked.component, tuple(asked.right), asked.allowed, times)
            for asked, times in _seen.items()
        ]
    elif is_wanted(config) and any(unused(_seen).values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what the components of a worker's tests asked for."""
    for component, right, allowed, times in getattr(node, "workeroutput", {}).get(_ASKED, ()):
        _seen[Asked(component, Right(*right), allowed)] += times


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not is_wanted(config):
        return
    terminalreporter.section("rights")
    terminalreporter.write_line(f"{_seen.total()} requests of operator and facade")
    for component, rights in unused(_seen).items():
        for right in rights:
            terminalreporter.write_line(f"{component} never used: {' '.join(right)}")
    for (component, right), times in forbidden(_seen.elements()).items():
        terminalreporter.write_line(f"{component} was refused {times} times: {' '.join(right)}")


def granted(rules: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    """Yield every single right of a Role's rules."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(group, resource, verb, name)


def rights_of(component: str) -> set[Right]:
    """Return what the chart lets a component do, with the fleet and with what runs."""
    files = (RULES / f"{component}.yaml", RULES / f"{component}-workloads.yaml")
    return {right for file in files for right in granted(yaml.safe_load(file.read_text())["rules"])}


def asked_in(lines: Iterable[str]) -> Iterator[Asked]:
    """Yield what an audit log tells of the two service accounts."""
    for line in lines:
        entry = json.loads(line)
        account = str(entry.get("user", {}).get("username", "")).rpartition(":")[2]
        component = account.removeprefix("polyfleet-")
        reference = entry.get("objectRef")
        if component == account or component not in COMPONENTS or not reference:
            continue
        resource = reference["resource"]
        if sub := reference.get("subresource"):
            resource = f"{resource}/{sub}"
        right = Right(
            reference.get("apiGroup", ""), resource, entry["verb"], reference.get("name", "")
        )
        decision = entry.get("annotations", {}).get("authorization.k8s.io/decision")
        yield Asked(component, right, decision == "allow")


def unused(seen: Iterable[Asked]) -> dict[str, list[Right]]:
    """Return what each component may do and was never seen to do."""
    asked = {(item.component, item.right) for item in seen if item.allowed}
    asked |= {(component, right._replace(name="")) for component, right in asked}
    for verb, implied in (("watch", "list"), ("list", "get")):
        asked |= {
            (component, right._replace(verb=implied))
            for component, right in asked
            if right.verb == verb
        }
    return {
        component: sorted(
            right for right in rights_of(component) if (component, right) not in asked
        )
        for component in COMPONENTS
    }


def forbidden(seen: Iterable[Asked]) -> Counter[tuple[str, Right]]:
    """Return what each component was refused, without the objects' names, and how often."""
    return Counter(
        (item.component, item.right._replace(name="")) for item in seen if not item.allowed
    )
