"""What the resources look like to Deis' clients."""

from typing import Any

import orjson

from polyfleet.api.dialects.deis.changes import structure_of
from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.domain import Domain
from polyfleet.fleet.objects.key import Key
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.releases import release_to_run
from polyfleet.kube.cache import Cache
from polyfleet.kube.releases import OF_APPLICATION

# Of these the spec says when they were made, unless kubectl made them.
Dated = Application | Build | Domain | Key | Release | User
_SECONDS = len("2014-01-01T00:00:00")
_REMEMBERED = 20_000


def date(text: str) -> str:
    """Write an instant as the Controller does: to the second, with the letters UTC."""
    return f"{text[:_SECONDS]}UTC"


def born(item: Dated) -> str:
    """Return when an object was made, by its own word or by the API server's."""
    return item.spec.created_at or item.metadata.creation_timestamp


def owner_name(application: Application) -> str:
    """Return the owner's name, empty if administrators alone own it."""
    owner = application.spec.owner
    return "" if owner is None else owner.user


def user_document(user: User) -> dict[str, Any]:
    """Return a user as registration shows one."""
    joined = parse(born(user))
    date_joined = joined.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": user.serial,
        "last_login": date_joined,
        "is_superuser": user.spec.administrator,
        "username": user.spec.name,
        "first_name": user.spec.first_name,
        "last_name": user.spec.last_name,
        "email": user.spec.email or "",
        "is_staff": user.spec.administrator,
        "is_active": not user.spec.disabled,
        "date_joined": date_joined,
        "groups": [],
        "user_permissions": [],
    }


class Documents:
    """Encoded applications, kept while they do not change, and what belongs to them."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._encoded: dict[str, tuple[tuple[str, str, str], bytes]] = {}

    def releases(self, application: Application) -> list[Release]:
        """Return the application's releases, the newest first."""
        found = self._cache.releases.find(OF_APPLICATION, application.metadata.name)
        return list(reversed(found))

    def newest(self, application: Application) -> Release | None:
        """Return the application's newest release."""
        found = self._cache.releases.find(OF_APPLICATION, application.metadata.name)
        return found[-1] if found else None

    def running(self, application: Application) -> Release | None:
        """Return the release that runs, or is to: not one that has failed, if one was good."""
        newest = self.newest(application)
        others = (item for item in self.releases(application) if self.build(item.spec.build))
        return None if newest is None else release_to_run(newest, others)

    def build(self, name: str | None) -> Build | None:
        """Return the build whose object has this name."""
        return None if name is None else self._cache.builds.get(name)

    def runs_unnamed(self, application: Application) -> bool:
        """Whether a build would run although the application names none."""
        builds = self._cache.builds.find(OF_APPLICATION, application.metadata.name)
        return any(build.spec.uuid is None for build in builds)

    def application(self, application: Application, domain: str) -> bytes:
        """Return an application's document; `domain` is below what it is shown."""
        newest = self.newest(application)
        changed = "" if newest is None else newest.metadata.uid
        version = (application.metadata.resource_version, changed, domain)
        uid = application.metadata.uid
        known = self._encoded.get(uid)
        if known is not None and known[0] == version:
            return known[1]
        body = orjson.dumps(_application(application, newest, domain))
        self._encoded.pop(uid, None)
        while len(self._encoded) >= _REMEMBERED:
            del self._encoded[next(iter(self._encoded))]
        self._encoded[uid] = (version, body)
        return body

    def release(self, release: Release) -> bytes:
        """Return a release's document."""
        build = self.build(release.spec.build)
        created = date(born(release))
        return orjson.dumps(
            {
                "app": release.spec.application,
                "build": None if build is None else build.uuid,
                "config": release.spec.config.uuid,
                "created": created,
                "owner": release.spec.owner,
                "summary": release.spec.summary,
                "updated": created,
                "uuid": release.uuid,
                "version": release.spec.version,
            }
        )


def build_document(build: Build) -> bytes:
    """Return a build's document."""
    created = date(born(build))
    return orjson.dumps(
        {
            "app": build.spec.application,
            "created": created,
            "dockerfile": build.spec.dockerfile,
            "image": build.spec.image,
            "owner": build.spec.owner,
            "procfile": build.spec.procfile,
            "sha": build.spec.sha,
            "updated": created,
            "uuid": build.uuid,
        }
    )


def _application(application: Application, newest: Release | None, domain: str) -> dict[str, Any]:
    created = born(application)
    changed = created
    if newest is not None:
        changed = max(created, born(newest))
    return {
        "created": date(created),
        "id": application.spec.name,
        "owner": owner_name(application),
        "structure": structure_of(application),
        "updated": date(changed),
        "url": f"{application.spec.name}.{domain}",
        "uuid": application.metadata.uid,
    }
