"""Brings the release of an application to run, and tells how that goes.

Each step is done anew from what is there, so it does not matter at which of them a process died:
the Release, the objects it becomes, then the conditions that say how far it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from polyfleet.fleet.given_values import NOTHING_GIVEN, Given
from polyfleet.fleet.names import given_config_secret_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.kinds import APPLICATIONS, BUILDS, DOMAINS, RELEASES
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import newest_release, release_to_run
from polyfleet.fleet.workloads.processes import ReleaseValues, release_values, wanted_processes
from polyfleet.kube.apply import NameTakenError
from polyfleet.kube.errors import Forbidden, Invalid
from polyfleet.kube.given_values import read_given
from polyfleet.kube.releases import OF_APPLICATION, ensure_release, find_build, read_values
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.workload_objects import Deploy
from polyfleet.operator.reconcile.adoption import metadata_patch
from polyfleet.operator.reconcile.conditions import RECONCILED, status_patch
from polyfleet.operator.reconcile.domains import (
    NOTHING_RUNS,
    application_missing,
    judge_domain,
    routed_hosts,
)
from polyfleet.operator.reconcile.progress import (
    ProcessState,
    Trouble,
    is_available,
    refusal,
    stands,
)
from polyfleet.operator.reconcile.releases import (
    ReleaseFacts,
    judge_application,
    judge_releases,
    refuse,
    unjudged,
)

_UNVISITED_SECONDS = 0.3


@dataclass(frozen=True)
class _Wanted:
    """What is to run: a release with its build and values, if they are there.

    `unmade` is why what is wanted since the newest cannot become a release.
    """

    newest: Release
    chosen: Release
    build: Build | None
    values: ReleaseValues | None
    unmade: Trouble | None


async def reconcile(context: Context, name: str) -> float | None:
    """Do what is due about the workload of an application; return when to look again."""
    application = context.cache.applications.get(name)
    if application is None:
        await _write_orphans(context, name)
    if application is None or application.metadata.terminating:
        return None
    if not application.status.observed_generation:
        return _UNVISITED_SECONDS
    unmade: Trouble | None = None
    try:
        newest = await _release(context, application)
    except Invalid as error:
        unmade = Trouble("ReleaseRefused", error.message)
        newest = _newest(context, name)
    await _write_builds(context, application.spec.name, present=True)
    # As it is after what was just written.
    application = context.cache.applications.get(name) or application
    if newest is None:
        await _write_domains(context, application, runs=False)
        return None if unmade is None else await _write_refusal(context, application, unmade)
    wanted = await _wanted(context, application, newest, unmade)
    deploy = Deploy(context, application)
    found, processes = _missing(wanted), None
    try:
        processes = await _run(deploy, wanted)
    except NameTakenError as error:
        found = Trouble("NameTaken", str(error))
    except (Invalid, Forbidden) as error:
        found = refusal(error.message, "Refused")
    runs = wanted.chosen.spec.build is not None and deploy.is_reachable()
    await _write_domains(context, application, runs=runs)
    processes = _states(deploy, wanted) if processes is None else processes
    return await _tell(context, deploy, wanted, processes, found)


async def _release(context: Context, application: Application) -> Release | None:
    release = await _ensure_release(context, application)
    newest = _newest(context, application.spec.name)
    if release is None or newest is None or newest.spec.version <= release.spec.version:
        # If nothing is wanted any more, but something was released, that stays.
        return release or newest
    # Watches are not in step: the wish that the newer one was made for may not have come yet.
    current = await context.writer.read(APPLICATIONS, application.metadata.name)
    return await _ensure_release(context, current)


async def _ensure_release(context: Context, application: Application) -> Release | None:
    return await ensure_release(
        context.writer,
        context.cache,
        application,
        context.clock(),
        given=await _given(context, application),
    )


def _newest(context: Context, name: str) -> Release | None:
    return newest_release(context.cache.releases.find(OF_APPLICATION, name))


async def _given(context: Context, application: Application) -> Given | None:
    name = application.spec.name
    newest = _newest(context, name)
    nothing = newest is not None and newest.spec.config.uuid == NOTHING_GIVEN.uuid
    unused = newest is None and not context.cache.builds.find(OF_APPLICATION, name)
    # Where nothing was given so far the watch tells. Else it may be behind, and is not believed
    # that there is nothing: all may have been made at once.
    if (nothing or unused) and context.given_configs.get(given_config_secret_name(name)) is None:
        return None
    return await read_given(context.client, application)


async def _wanted(
    context: Context, application: Application, newest: Release, unmade: Trouble | None
) -> _Wanted:
    name = application.spec.name
    builds = context.cache.builds
    releases = context.cache.releases.find(OF_APPLICATION, name)
    # One whose Build is gone cannot run again.
    chosen = release_to_run(newest, (one for one in releases if builds.get(one.spec.build or "")))
    build = await _build(context, chosen)
    return _Wanted(newest, chosen, build, await _values(context, chosen), unmade)


async def _build(context: Context, release: Release) -> Build | None:
    name = release.spec.build
    if name is None:
        return None
    return await find_build(context.writer, context.cache, release.spec.application, name)


async def _values(context: Context, release: Release) -> ReleaseValues | None:
    memory, config = context.workloads.memory, release.spec.config
    key = f"{release.spec.application}/{config.uuid}"
    known = memory.values(key)
    if known is None:
        values = await read_values(context.client, release.spec.application, config.uuid)
        if values is None:
            return None
        known = release_values(values)
        memory.remember_values(key, known)
    return known


async def _run(deploy: Deploy, wanted: _Wanted) -> Sequence[ProcessState]:
    if wanted.chosen.spec.build is None:
        # Nothing is to run.
        await deploy.remove_types(frozenset())
    if wanted.build is None or wanted.values is None:
        return _states(deploy, wanted)
    processes = wanted_processes(deploy.application, wanted.build)
    await deploy.apply(wanted.chosen, wanted.build, wanted.values, processes)
    label = f"v{wanted.chosen.spec.version}"
    states = deploy.states(processes)
    if all(is_available(state, label) for state in states):
        # Until now traffic went where it went before, and nothing of before was taken away.
        await deploy.switch_traffic(processes)
        await deploy.remove_types(frozenset(process.type for process in processes))
    return states


def _states(deploy: Deploy, wanted: _Wanted) -> Sequence[ProcessState]:
    """Return how the processes are: without a build, those that are there all the same."""
    if wanted.build is not None:
        return deploy.states(wanted_processes(deploy.application, wanted.build))
    return deploy.states(deploy.present()) if wanted.chosen.spec.build is not None else ()


def _missing(wanted: _Wanted) -> Trouble | None:
    if wanted.chosen.spec.build is not None and wanted.build is None:
        return Trouble("BuildMissing", f"there is no Build {wanted.chosen.spec.build}")
    if wanted.values is None:
        name = wanted.chosen.spec.config.secret_name
        return Trouble("ConfigMissing", f"the Secret {name} of its configuration is gone")
    return None


async def _tell(
    context: Context,
    deploy: Deploy,
    wanted: _Wanted,
    processes: Sequence[ProcessState],
    found: Trouble | None,
) -> float | None:
    settings, now, application = context.settings, context.clock(), deploy.application
    releases = tuple(context.cache.releases.find(OF_APPLICATION, application.spec.name))
    facts = ReleaseFacts(
        application=application,
        newest=wanted.newest,
        chosen=wanted.chosen,
        releases=releases,
        processes=tuple(processes),
        found=found,
        unmade=wanted.unmade,
        refused=wanted.values.refused if wanted.values is not None else (),
        standing=_standing(context, deploy, unjudged(wanted.chosen, releases), now),
        deadline=timedelta(seconds=settings.workload_deadline),
        pulling=timedelta(seconds=settings.workload_pull_deadline),
    )
    verdicts, again = judge_releases(facts, now)
    for release, verdict in verdicts:
        metadata = metadata_patch(release.metadata, application=release.spec.application)
        after = await context.write(RELEASES, release, metadata=metadata, status=verdict.status)
        context.tell(after, *verdict.notices)
        context.tell(application, *verdict.notices)
    verdict = judge_application(facts, now)
    await context.write(APPLICATIONS, application, status=verdict.status)
    if again <= 0:
        return 0.0
    return min(again, settings.workload_resync)


def _standing(
    context: Context, deploy: Deploy, releases: Sequence[Release], now: datetime
) -> frozenset[int]:
    found, there = set(), deploy.releases()
    for release in releases:
        label = f"v{release.spec.version}"
        build = context.cache.builds.get(release.spec.build or "") if label in there else None
        if build is not None:
            states = deploy.states(wanted_processes(deploy.application, build))
            if stands(states, label, now):
                found.add(release.spec.version)
    return frozenset(found)


async def _write_refusal(context: Context, application: Application, found: Trouble) -> float:
    verdict = refuse(application, found, context.clock())
    await context.write(APPLICATIONS, application, status=verdict.status)
    return context.settings.workload_resync


async def _write_domains(context: Context, application: Application, *, runs: bool) -> None:
    domains = context.cache.domains.find(OF_APPLICATION, application.spec.name)
    hosts, problems = routed_hosts(application, domains, context.settings)
    unrouted = await Deploy(context, application).route(hosts if runs else frozenset())
    for domain in domains:
        problem = problems.get(domain.spec.domain) or (None if runs else NOTHING_RUNS)
        status = judge_domain(domain, problem, unrouted, context.clock())
        metadata = metadata_patch(domain.metadata, application=domain.spec.application)
        await context.write(DOMAINS, domain, metadata=metadata, status=status)


async def _write_builds(context: Context, name: str, *, present: bool) -> None:
    ready = RECONCILED if present else application_missing(name)
    for build in context.cache.builds.find(OF_APPLICATION, name):
        metadata = metadata_patch(build.metadata, application=name)
        status = status_patch(build, [ready], context.clock())
        await context.write(BUILDS, build, metadata=metadata, status=status)


async def _write_orphans(context: Context, name: str) -> None:
    await _write_builds(context, name, present=False)
    for domain in context.cache.domains.find(OF_APPLICATION, name):
        status = judge_domain(domain, application_missing(name), {}, context.clock())
        await context.write(DOMAINS, domain, status=status)
