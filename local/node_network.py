"""The addresses of one node and the link that joins it to this machine.

Each node has a /16 of its own, `10.N.0.0/16`: the link in `10.N.0.0/24`, pods in `10.N.64.0/18`,
Services in `10.N.128.0/20`. Routes to pods and Services make both reachable from this machine;
they, and the link, go with the namespaces of the node.
"""

import ipaddress
import json
import random
import subprocess
from dataclasses import dataclass

from polyfleet.local.errors import StartError
from polyfleet.local.namespaces import Namespaces

_NUMBERS = range(64, 250)
_ATTEMPTS = 10
_NARROW_BITS = 12
_SECONDS = 30
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """The addresses of a node, all of them told by one number."""

    number: int

    @property
    def whole(self) -> str:
        """All of it."""
        return f"10.{self.number}.0.0/16"

    @property
    def host(self) -> str:
        """The address of this machine on the link; kube-apiserver is advertised there."""
        return f"10.{self.number}.0.1"

    @property
    def node(self) -> str:
        """The address of the node."""
        return f"10.{self.number}.0.2"

    @property
    def pods(self) -> str:
        """Where pods have their addresses."""
        return f"10.{self.number}.64.0/18"

    @property
    def services(self) -> str:
        """Where Services have their addresses."""
        return f"10.{self.number}.128.0/20"

    @property
    def api_service(self) -> str:
        """The address of the `kubernetes` Service: the first of the range."""
        return f"10.{self.number}.128.1"

    @property
    def link(self) -> str:
        """The name of this machine's end of the link."""
        return f"polyfleet{self.number}"

    def connect(self, namespaces: Namespaces) -> None:
        """Join the namespaces to this machine; raises StartError where addresses are taken."""
        inside = namespaces.process.pid
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", str(inside))
        try:
            self._configure(namespaces)
        except BaseException:
            _ip("link", "delete", self.link)
            raise

    def _configure(self, namespaces: Namespaces) -> None:
        _ip("address", "add", f"{self.host}/24", "dev", self.link)
        _ip("link", "set", self.link, "up")
        namespaces.run("ip", "link", "set", "lo", "up")
        namespaces.run("ip", "address", "add", f"{self.node}/24", "dev", "eth0")
        namespaces.run("ip", "link", "set", "eth0", "up")
        namespaces.run("ip", "route", "add", "default", "via", self.host)
        namespaces.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for addresses in (self.pods, self.services):
            _ip("route", "add", addresses, "via", self.node)


def connect_somewhere(namespaces: Namespaces) -> NodeNetwork:
    """Join the namespaces to this machine with addresses that nobody uses; return them."""
    for attempt in range(1, _ATTEMPTS + 1):
        network = NodeNetwork(_free_number())
        try:
            network.connect(namespaces)
        except StartError as error:
            # Another node took the same number since we looked: its link has the name already.
            if attempt == _ATTEMPTS or "File exists" not in str(error):
                raise
        else:
            return network
    raise AssertionError("unreachable")


def _free_number() -> int:
    taken = _destinations()
    free = [
        number
        for number in _NUMBERS
        if not any(row.overlaps(ipaddress.ip_network(NodeNetwork(number).whole)) for row in taken)
    ]
    if not free:
        raise StartError("every 10.N.0.0/16 from 10.64 on is routed somewhere on this machine")
    return _random.choice(free)


def _destinations() -> list[ipaddress.IPv4Network]:
    rows = json.loads(_ip("-json", "-4", "route", "show", "table", "all"))
    names = [row["dst"] for row in rows if row["dst"] != "default"]
    networks = [ipaddress.IPv4Network(name) for name in names]
    # A route as wide as 10.0.0.0/8, say of a company's network, gives way to narrower ones.
    return [network for network in networks if network.prefixlen >= _NARROW_BITS]


def _ip(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed options and our own addresses, no shell
        ["ip", *arguments],  # noqa: S607 - where ip is differs
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise StartError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
