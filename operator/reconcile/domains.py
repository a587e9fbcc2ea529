"""Domain: which host names lead to an application."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from polyfleet.fleet.names import domain_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.domain import Domain
from polyfleet.operator.reconcile.conditions import Wanted, status_patch
from polyfleet.operator.reconcile.progress import Trouble
from polyfleet.operator.settings import Settings

READY = "Ready"
_LONGEST_HOST = 253

NOTHING_RUNS = Wanted(READY, False, "NothingRuns", "nothing runs that it could lead to")


def application_missing(name: str) -> Wanted:
    """Return the condition of what belongs to an application that is not there."""
    return Wanted(READY, False, "ApplicationMissing", f"there is no application {name}")


def routed_hosts(
    application: Application, domains: Iterable[Domain], settings: Settings
) -> tuple[frozenset[str], dict[str, Wanted]]:
    """Return the host names that lead to the application, and what is wrong with the others."""
    own = f"{application.spec.name}.{settings.workload_domain}" if settings.workload_domain else ""
    hosts: set[str] = set()
    problems: dict[str, Wanted] = {}
    if own and len(own) <= _LONGEST_HOST and not _is_below(own, settings.reserved_hosts):
        hosts.add(own)
    for domain in domains:
        host = domain.spec.domain
        problem = _problem(domain, own, settings)
        if problem is not None:
            problems[host] = problem
        elif not domain.metadata.terminating:
            hosts.add(host)
    return frozenset(hosts), problems


def judge_domain(
    domain: Domain, problem: Wanted | None, unrouted: Mapping[str, Trouble], now: datetime
) -> dict[str, Any] | None:
    """Return what the domain's status should say; None if it does already."""
    wanted = problem
    if wanted is None and domain.spec.domain in unrouted:
        wanted = Wanted(READY, False, *unrouted[domain.spec.domain])
    return status_patch(domain, [wanted or Wanted(READY, True, "Routed", "")], now)


def _problem(domain: Domain, own: str, settings: Settings) -> Wanted | None:
    host = domain.spec.domain
    if _is_below(host, settings.reserved_hosts):
        message = "it is, or is below, a host name of Polyfleet itself"
        return Wanted(READY, False, "HostReserved", message)
    if settings.workload_domain and _is_below(host, (settings.workload_domain,)) and host != own:
        message = f"names below {settings.workload_domain} belong to the applications of that name"
        return Wanted(READY, False, "HostReserved", message)
    if domain.metadata.name != domain_name(host):
        return Wanted(READY, False, "NameMismatch", f"its name is not {domain_name(host)}")
    return None


def _is_below(host: str, reserved: Iterable[str]) -> bool:
    return any(host == one.lower() or host.endswith(f".{one.lower()}") for one in reserved)
