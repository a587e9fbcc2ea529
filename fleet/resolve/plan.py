"""The way to a version: hops over a group's packages, counted back from the target.

Nodes are packages, not versions: two packages of one version can differ in what they are a base
for. Everything that does not depend on one device is computed once a plan.
"""

from collections import defaultdict, deque
from collections.abc import Container, Iterable

import msgspec

from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.resolve.node import Node, holds


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """A package from which the target is `hops` further packages away."""

    node: Node
    hops: int


class Plan(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How devices of one type reach one version with a group's packages.

    `candidates` are in order of preference as a first hop: fewest hops, then lowest serial.
    `keys` are all that a candidate's requirements read beside version and type. `misfits` are the
    packages for other device types.
    """

    group: str
    version: str
    device_type: str | None
    nodes: tuple[Node, ...]
    misfits: tuple[Node, ...]
    candidates: tuple[Candidate, ...]
    keys: tuple[str, ...]


def plan_for(group: str, version: str, device_type: str | None, assigned: Iterable[Node]) -> Plan:
    """Plan the way to the version for devices of the type over the group's packages."""
    ordered = sorted(assigned, key=lambda node: node.order)
    nodes = tuple(node for node in ordered if node.fits(device_type))
    hops = _hops_to(version, device_type, nodes)
    candidates = sorted(
        (Candidate(node, hops[node]) for node in nodes if node in hops),
        key=lambda candidate: (candidate.hops, candidate.node.order),
    )
    names = {need.name for candidate in candidates for need in candidate.node.requires}
    return Plan(
        group=group,
        version=version,
        device_type=device_type,
        nodes=nodes,
        misfits=tuple(node for node in ordered if not node.fits(device_type)),
        candidates=tuple(candidates),
        keys=tuple(sorted(names - {VERSION_KEY, TYPE_KEY})),
    )


def _hops_to(version: str, device_type: str | None, nodes: tuple[Node, ...]) -> dict[Node, int]:
    """Count, breadth first from the targets backwards, how far each package is from the target."""
    bases = _Bases(device_type, nodes)
    hops = {node: 0 for node in nodes if node.version == version}
    queue = deque(hops)
    while queue:
        node = queue.popleft()
        for base in bases.of(node, hops):
            hops[base] = hops[node] + 1
            queue.append(base)
    return hops


class _Bases:
    """Finds the packages that another can be installed on, without trying every pair."""

    def __init__(self, device_type: str | None, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes
        self._values = {node: node.after(device_type) for node in nodes}
        self._having: dict[tuple[str, str | None], list[Node]] = defaultdict(list)
        for name in {need.name for node in nodes for need in node.requires}:
            for node in nodes:
                self._having[name, self._values[node](name)].append(node)

    def of(self, node: Node, known: Container[Node]) -> list[Node]:
        """Return the packages not known yet after which `node` can be installed."""
        return [
            base
            for base in self._likely(node)
            if base not in known
            and base.version != node.version
            and holds(node.requires, self._values[base])
        ]

    def _likely(self, node: Node) -> Iterable[Node]:
        if not node.requires:
            return self._nodes
        return min(
            (self._having.get((need.name, need.value), []) for need in node.requires), key=len
        )
