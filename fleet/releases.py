"""Releases: what an application wants to run, whether that needs a new Release, and its summary.

A Release is a numbered pair of a build and a configuration. It is made from the desired state on
the Application, by whoever comes first, facade or operator; so all of this is pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from polyfleet.fleet.conditions import holds
from polyfleet.fleet.given_values import NOTHING_GIVEN, Given
from polyfleet.fleet.names import config_secret_name
from polyfleet.fleet.objects.application import Application, Change, Configuration
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.release import Release

MAX_VALUES_BYTES = 256 * 1024
"""How large the JSON text of a configuration's values may be: a Secret holds it twice."""

DEPLOYED = "Deployed"
"""The condition of a Release of which all instances were available once."""
FAILED = "Failed"
"""The condition of a Release of which they were not, in time."""

VARIABLE_PREFIX = "env."
"""Before the keys of a configuration's Secret under which the variables of processes are."""

Values = Mapping[str, Any]
"""The environment as it was given: any JSON but null by any name."""

# As Kubernetes has it (IsEnvVarName).
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,240}")
_SHOWN_SHA = 7
_LONGEST_SUMMARY = 4096


class Environment(NamedTuple):
    """What a process sees of the values, as texts, and the names that Kubernetes does not take."""

    variables: dict[str, str]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class Desired:
    """What an application wants to run; the configuration always has a uuid."""

    application: str
    build: str | None
    config: Configuration
    change: Change | None = None


def current_build(application: Application, builds: Iterable[Build]) -> str | None:
    """Return the name of the Build to run: the one that is named, else the newest of kubectl's.

    Builds that came over an API have a uuid. They run when the application names them and not
    before, for there are two writes: a Build by itself is nobody's wish yet.
    """
    workload = application.spec.workload
    if workload is not None and workload.build is not None:
        return workload.build
    given = (build for build in builds if build.spec.uuid is None)
    newest = max(given, key=_age, default=None)
    return None if newest is None else newest.metadata.name


def desired_state(
    application: Application, builds: Iterable[Build], *, given: Given | None = None
) -> Desired | None:
    """Return what the application wants to run; None if it wants nothing yet.

    It wants something once it has a Build, or once somebody asked over an API. `given` are the
    values that somebody without a REST API keeps in a Secret; they count if the
    Application's configuration has no uuid of its own.
    """
    spec = application.spec
    build = current_build(application, builds)
    change = spec.workload.change if spec.workload is not None else None
    if build is None and change is None:
        return None
    config = spec.config or Configuration()
    if config.uuid is None:
        config = msgspec.structs.replace(config, uuid=(given or NOTHING_GIVEN).uuid)
    return Desired(spec.name, build, config, change)


def newest_release(releases: Iterable[Release]) -> Release | None:
    """Return the Release with the highest number."""
    return max(releases, key=lambda release: release.spec.version, default=None)


def release_to_run(newest: Release, releases: Iterable[Release]) -> Release:
    """Return the release to run: the newest, or if that has failed the last good one, if any."""
    if not holds(newest, FAILED):
        return newest
    good = (
        release
        for release in releases
        if release.spec.version < newest.spec.version
        and release.spec.build is not None
        and holds(release, DEPLOYED)
        and not holds(release, FAILED)
    )
    return newest_release(good) or newest


def next_number(releases: Iterable[Release], last_release: int) -> int:
    """Return the number of the next Release: none is used twice, also if Releases are deleted."""
    return max((last_release, *(release.spec.version for release in releases))) + 1


def needs_release(desired: Desired, newest: Release | None) -> bool:
    """Say whether what is wanted is not yet what the newest Release says."""
    return newest is None or not is_of(newest, desired)


def is_of(release: Release, desired: Desired) -> bool:
    """Say whether a Release was made of what is wanted, and for the wish that is the last."""
    same_wish = desired.change is None or release.spec.change == desired.change.id
    return same_wish and _pair(release.spec.build, release.spec.config) == _pair(
        desired.build, desired.config
    )


def actor(desired: Desired, build: Build | None, previous: Release | None, owner: str) -> str:
    """Return who made a Release: who asked, else whose build or configuration is new."""
    change = desired.change
    if change is not None and (previous is None or previous.spec.change != change.id):
        return change.by
    if build is not None and (previous is None or previous.spec.build != desired.build):
        return build.spec.owner or owner
    return desired.config.owner or owner


def summary(
    who: str,
    desired: Desired,
    build: Build | None,
    previous: Release | None,
    *,
    values: Values,
    previous_values: Values,
) -> str:
    """Return what a Release changes, in the words of the Deis controller (facts/deis.md 1.7)."""
    what = _what(desired, build, previous, values, previous_values)
    return f"{who} {what}"[:_LONGEST_SUMMARY]


def release_spec(
    desired: Desired, number: int, *, who: str, text: str, created_at: str, release_uuid: str
) -> dict[str, Any]:
    """Return the spec of the Release with that number."""
    config = desired.config
    spec: dict[str, Any] = {
        "application": desired.application,
        "version": number,
        "uuid": release_uuid,
        "createdAt": created_at,
        "summary": text,
        "config": _present(
            uuid=config.uuid,
            owner=config.owner,
            created=config.created,
            memory=config.memory,
            cpu=config.cpu,
            tags=config.tags,
            secretName=config_secret_name(desired.application, config.uuid or ""),
        ),
    }
    if who:
        spec["owner"] = who
    if desired.build is not None:
        spec["build"] = desired.build
    if desired.change is not None:
        spec["change"] = desired.change.id
        if desired.change.rollback_of is not None:
            spec["rollbackOf"] = desired.change.rollback_of
    return spec


def merged(current: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of the four maps of a configuration after a change, in which null removes."""
    after = {**current, **change}
    return {key: value for key, value in after.items() if value is not None}


def environment(values: Values) -> Environment:
    """Return the variables for a process: texts as they are, all else as its JSON."""
    variables: dict[str, str] = {}
    refused: list[str] = []
    for name, value in values.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if _VARIABLE.fullmatch(name) and "\0" not in text:
            variables[name] = text
        else:
            refused.append(name)
    return Environment(variables, tuple(sorted(refused)))


def _what(
    desired: Desired,
    build: Build | None,
    previous: Release | None,
    values: Values,
    previous_values: Values,
) -> str:
    change = desired.change
    if change is not None and change.rollback_of is not None and not _is_edit(change, previous):
        return f"rolled back to v{change.rollback_of}"
    if previous is None and desired.build is None and not values and not _limits(desired.config):
        return "created initial release"
    parts = []
    if desired.build is not None and (previous is None or previous.spec.build != desired.build):
        parts.append(f"deployed {_build_text(build, desired.build)}")
    before = previous.spec.config if previous is not None else Configuration()
    parts.extend(_differences("", previous_values, values))
    limits = [
        name
        for name, old, new in (
            ("memory", before.memory, desired.config.memory),
            ("cpu", before.cpu, desired.config.cpu),
        )
        if old != new
    ]
    if limits:
        parts.append(f"changed limits for {', '.join(limits)}")
    parts.extend(_differences("tag ", before.tags, desired.config.tags))
    return " and ".join(parts) or "changed nothing"


def _is_edit(change: Change, previous: Release | None) -> bool:
    """Say whether the wish has its Release already, so that this one is of another edit."""
    return previous is not None and previous.spec.change == change.id


def _build_text(build: Build | None, name: str) -> str:
    if build is None:
        return name
    return build.spec.sha[:_SHOWN_SHA] or build.spec.image


def _differences(noun: str, before: Values, after: Values) -> Sequence[str]:
    """Return at most one part: what was added, changed and deleted, in that order."""
    found = (
        ("added", sorted(after.keys() - before.keys())),
        (
            "changed",
            sorted(key for key in before.keys() & after.keys() if _differ(key, before, after)),
        ),
        ("deleted", sorted(before.keys() - after.keys())),
    )
    parts = [f"{verb} {noun}{', '.join(keys)}" for verb, keys in found if keys]
    return (", ".join(parts),) if parts else ()


def _differ(key: str, before: Values, after: Values) -> bool:
    # 1, 1.0 and true are equal in Python, not in JSON.
    return msgspec.json.encode(before[key]) != msgspec.json.encode(after[key])


def _limits(config: Configuration) -> bool:
    return bool(config.memory or config.cpu or config.tags)


def _pair(build: str | None, config: Any) -> tuple[Any, ...]:
    return build, config.uuid, config.memory, config.cpu, config.tags


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _age(build: Build) -> tuple[str, str]:
    # Times of the server have no fraction; of two with the same second the name decides.
    made = build.spec.created_at or build.metadata.creation_timestamp.replace("Z", ".000000Z")
    return made, build.metadata.name
