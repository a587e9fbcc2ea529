"""Making Releases: the same numbered object by facade and operator, whoever comes first.

The order over REST: the Secret of the configuration, the Application (a checked write, which is
the lock of the application), then `ensure_release`. Who dies in between leaves a desired state
from which the operator's `ensure_release` makes the same Release. A writer settles what is desired
(`ensure_release`) before it overwrites it, so that each wish has its Release, in order.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from polyfleet.fleet.given_values import NOTHING_GIVEN, Given
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, config_secret_name, release_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.kinds import APPLICATIONS, BUILDS, DOMAINS, KEYS, RELEASES
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, APPLICATION_UID_LABEL
from polyfleet.fleet.objects.owners import owner_reference
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import (
    MAX_VALUES_BYTES,
    VARIABLE_PREFIX,
    Desired,
    Values,
    actor,
    desired_state,
    environment,
    is_of,
    needs_release,
    newest_release,
    next_number,
    release_spec,
    summary,
)
from polyfleet.kube.apply import NameTakenError
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from polyfleet.kube.resources import SECRETS
from polyfleet.kube.writer import Writer

OF_APPLICATION = "application of a workload"
"""The index of Builds, Releases and Domains by the name of their application."""
OF_USER = "user of a key"
"""The index of Keys by the uid of their User."""
CONFIG_TYPE = "polyfleet.dev/config"
"""The type of the Secrets of configurations."""
VALUES_KEY = "values.json"
"""The key of such a Secret under which the values are, as they were given."""

_ATTEMPTS = 20


def index_workloads(cache: Cache) -> None:
    """Keep the indexes of Builds, Releases and Domains by application, and of Keys by user."""
    cache.builds.add_index(OF_APPLICATION, _application)
    cache.releases.add_index(OF_APPLICATION, _numbered, order=lambda item: item.spec.version)
    if DOMAINS in cache:
        cache.domains.add_index(OF_APPLICATION, _application)
    if KEYS in cache:
        cache.keys.add_index(OF_USER, lambda key: (key.spec.user_uid,))


async def create_config(client: Client, application: str, config_uuid: str, values: Values) -> None:
    """Keep the values of a configuration, for ever, in a Secret of their own.

    Doing it twice is harmless. Raises Invalid if they are too many, Conflict if the name is taken.
    """
    text = msgspec.json.encode(values)
    if len(text) > MAX_VALUES_BYTES:
        message = f"the values are larger than {MAX_VALUES_BYTES} bytes of JSON"
        raise Invalid(422, "Invalid", message)
    variables = environment(values).variables
    data = {f"{VARIABLE_PREFIX}{name}": value.encode() for name, value in variables.items()}
    name = config_secret_name(application, config_uuid)
    body = {
        "metadata": {
            "name": name,
            "labels": {APPLICATION_LABEL: application_label(application)},
        },
        "type": CONFIG_TYPE,
        "immutable": True,
        "data": {
            key: base64.b64encode(value).decode()
            for key, value in {VALUES_KEY: text, **data}.items()
        },
    }
    try:
        await client.create_document(SECRETS, body)
    except AlreadyExists:
        found = await client.get_document(SECRETS, name)
        if found.get("type") != CONFIG_TYPE or _values(found) != msgspec.json.decode(text):
            raise Conflict(409, "Conflict", f"the Secret {name} is somebody else's") from None


async def read_values(client: Client, application: str, config_uuid: str) -> dict[str, Any] | None:
    """Return the values of a configuration as they were given; None if they are gone."""
    try:
        found = await client.get_document(SECRETS, config_secret_name(application, config_uuid))
    except NotFound:
        return None
    return _values(found) if found.get("type") == CONFIG_TYPE else None


async def copy_config(
    source: Client, target: Client, application: Application, release: Release
) -> None:
    """Put the Secret of a release's configuration into another namespace, where its Pods run.

    Raises NameTakenError if there is one of that name that is not of this Application.
    """
    name = release.spec.config.secret_name or ""
    with suppress(NotFound):
        found = await target.get_document(SECRETS, name)
        labels = found["metadata"].get("labels") or {}
        whose = labels.get(APPLICATION_UID_LABEL)
        if found.get("type") != CONFIG_TYPE or whose != application.metadata.uid:
            raise NameTakenError(f"there is a Secret {name} that is somebody else's")
        return
    secret = await source.get_document(SECRETS, name)
    labels = secret["metadata"].get("labels") or {}
    body = {
        "metadata": {
            "name": name,
            "labels": {**labels, APPLICATION_UID_LABEL: application.metadata.uid},
        },
        "type": CONFIG_TYPE,
        "immutable": True,
        "data": secret.get("data") or {},
    }
    with suppress(AlreadyExists):
        await target.create_document(SECRETS, body)


async def ensure_release(
    writer: Writer,
    cache: Cache,
    application: Application,
    now: datetime,
    *,
    given: Given | None = None,
) -> Release | None:
    """Return the Release of what the application wants, made if it is not there.

    `application` should be as the API server last answered, `given` what `read_given` returned of
    it. Any number of callers may do so at once: one makes it, all return it. Of a version of the
    Application that is not the newest any more, the Release of that version is returned. None if
    nothing is wanted yet. Raises Conflict if others are faster again and again.
    """
    name = application.spec.name
    desired = desired_state(application, cache.builds.find(OF_APPLICATION, name), given=given)
    if desired is None:
        return None
    floor = application.status.last_release
    known = {item.spec.version: item for item in cache.releases.find(OF_APPLICATION, name)}
    if floor > max(known, default=0):
        # The watch of Releases may be behind that of Applications.
        await _learn(writer, name, floor, known)
    for _ in range(_ATTEMPTS):
        newest = newest_release(known.values())
        made = _made_of(desired, known.values())
        if newest is not None and made is not None:
            # Whoever made it may have died before it noted the number.
            if newest.spec.version > application.status.last_release:
                await raise_last_release(writer, application.metadata.name, newest.spec.version)
            return made
        number = next_number(known.values(), floor)
        await _keep_given(writer.client, application, desired, given or NOTHING_GIVEN)
        try:
            release = await _create(
                writer, cache, application, desired, previous=newest, number=number, now=now
            )
        except AlreadyExists:
            await _learn(writer, name, number, known)
            floor = max(floor, number)
            continue
        with suppress(Conflict):
            # It is made, and that is what the caller is told; who looks next notes the number.
            await raise_last_release(writer, application.metadata.name, number)
        await own_config(writer.client, [release])
        return release
    raise Conflict(409, "Conflict", "releases are made by others again and again")


async def find_build(writer: Writer, cache: Cache, application: str, name: str) -> Build | None:
    """Return the application's Build of that object name; None if it is gone or another's.

    One that the watch has not told of yet is read from the API server.
    """
    build = cache.builds.get(name)
    if build is None:
        with suppress(NotFound):
            build = await writer.read(BUILDS, name)
    return build if build is not None and build.spec.application == application else None


async def raise_last_release(writer: Writer, application: str, number: int) -> None:
    """Note that a number was given out, for the time when its Release is deleted."""

    def decide(item: Application) -> Mapping[str, Any] | None:
        return None if item.status.last_release >= number else {"status": {"lastRelease": number}}

    # Deleted with all its numbers: nothing is left to note.
    with suppress(NotFound):
        await writer.update(APPLICATIONS, application, decide, subresource="status")


async def own_config(client: Client, releases: Iterable[Release]) -> None:
    """Let the Secret of a configuration go with the last of the Releases that have it.

    `releases` are of one configuration. A process that dies before it leaves that to the next one.
    """
    owners = {release.metadata.uid: release for release in releases}
    for release in list(owners.values())[:1]:
        config = release.spec.config
        name = config_secret_name(release.spec.application, config.uuid)
        for _ in range(_ATTEMPTS):
            try:
                secret = await client.get_document(SECRETS, name)
            except NotFound:
                return
            metadata = secret["metadata"]
            present = metadata.get("ownerReferences") or []
            missing = owners.keys() - {owner["uid"] for owner in present}
            if not missing or secret.get("type") != CONFIG_TYPE:
                return
            added = [owner_reference(RELEASES, owners[uid]) for uid in sorted(missing)]
            patch = {
                "metadata": {
                    "uid": metadata["uid"],
                    "resourceVersion": metadata["resourceVersion"],
                    "ownerReferences": [*present, *added],
                }
            }
            try:
                await client.patch_document(SECRETS, name, patch)
            except Conflict:
                continue
            return


async def _learn(writer: Writer, name: str, number: int, known: dict[int, Release]) -> None:
    with suppress(NotFound):
        found = await writer.read(RELEASES, release_name(name, number))
        if found.spec.application == name:
            known[number] = found


async def _create(
    writer: Writer,
    cache: Cache,
    application: Application,
    desired: Desired,
    *,
    previous: Release | None,
    number: int,
    now: datetime,
) -> Release:
    build = await _build(writer, cache, desired)
    owner = application.spec.owner
    who = actor(desired, build, previous, owner.user if owner is not None else "")
    values, before = await _both_values(writer.client, desired, previous)
    text = summary(
        who or "kubectl", desired, build, previous, values=values, previous_values=before
    )
    spec = release_spec(
        desired,
        number,
        who=who,
        text=text,
        created_at=timestamp(now),
        release_uuid=str(uuid.uuid4()),
    )
    labels = {APPLICATION_LABEL: application_label(desired.application)}
    return await writer.create(
        RELEASES, release_name(desired.application, number), spec, labels=labels
    )


async def _keep_given(
    client: Client, application: Application, desired: Desired, given: Given
) -> None:
    """Keep the values that come from no API as those of an API are: before their Release."""
    config = application.spec.config
    if config is None or config.uuid is None:
        await create_config(client, desired.application, given.uuid, given.values)


async def _build(writer: Writer, cache: Cache, desired: Desired) -> Build | None:
    if desired.build is None:
        return None
    build = await find_build(writer, cache, desired.application, desired.build)
    if build is None:
        message = f"{desired.build} is no Build of application {desired.application}"
        raise Invalid(422, "Invalid", message)
    return build


async def _both_values(
    client: Client, desired: Desired, previous: Release | None
) -> tuple[Values, Values]:
    """Return the values that are wanted and those before; only names are ever shown of them."""
    uuid_ = desired.config.uuid or ""
    if previous is not None and previous.spec.config.uuid == uuid_:
        return {}, {}
    values = await read_values(client, desired.application, uuid_) or {}
    if previous is None:
        return values, {}
    before = await read_values(client, desired.application, previous.spec.config.uuid)
    return values, before or {}


def _made_of(desired: Desired, releases: Iterable[Release]) -> Release | None:
    newest = newest_release(releases)
    if not needs_release(desired, newest):
        return newest
    if desired.change is None or newest is None or newest.spec.change == desired.change.id:
        return None
    # A later wish may have its Release by now: then this one's is not the newest any more.
    return next((release for release in releases if is_of(release, desired)), None)


def _values(secret: Mapping[str, Any]) -> dict[str, Any]:
    text = base64.b64decode((secret.get("data") or {}).get(VALUES_KEY, ""))
    with suppress(msgspec.DecodeError):
        found = msgspec.json.decode(text)
        if isinstance(found, dict):
            return found
    return {}


def _application(item: Any) -> tuple[str]:
    return (item.spec.application,)


def _numbered(release: Release) -> tuple[str, ...]:
    """Return the application of a Release; of one whose name is not that of its number, none."""
    spec = release.spec
    name = release_name(spec.application, spec.version)
    return (spec.application,) if name == release.metadata.name else ()
