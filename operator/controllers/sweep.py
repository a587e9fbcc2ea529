"""Deletes all that belongs to an application."""

from contextlib import suppress
from typing import Any, cast

from polyfleet.fleet.objects.kinds import (
    CLAIMS,
    COMMANDS,
    DEVICES,
    ENROLLMENTS,
    GROUPS,
    PACKAGES,
    ROLLOUTS,
    Kind,
)
from polyfleet.fleet.objects.metadata import ObjectMeta, View
from polyfleet.kube.errors import NotFound
from polyfleet.kube.parallel import for_each
from polyfleet.operator.context import Context

_PAGE = 500


class Bare(View, frozen=True, kw_only=True):
    """An object of a kind that only needs to be found and deleted."""

    metadata: ObjectMeta


def _bare_kind(name: str, plural: str) -> Kind[Any]:
    return Kind(name, plural, cast("Any", Bare))


# First what brings new members or keeps packages in use, so that nothing waits for long.
CHILDREN: tuple[Kind[Any], ...] = (
    ROLLOUTS,
    COMMANDS,
    ENROLLMENTS,
    DEVICES,
    GROUPS,
    PACKAGES,
    _bare_kind("Domain", "domains"),
    _bare_kind("Release", "releases"),
    _bare_kind("Build", "builds"),
    CLAIMS,
)


async def sweep_children(context: Context, application: str) -> int:
    """Delete all objects of the application; return how many were found and may still be there.

    They are found by `spec.application`, not by their label: what was not adopted yet goes too.
    """
    found = 0
    for kind in CHILDREN:
        found += await _sweep_kind(context, kind, application)
    return found


async def _sweep_kind(context: Context, kind: Kind[Any], application: str) -> int:
    async def delete(item: Any) -> None:
        with suppress(NotFound):
            if kind in context.cache:
                await context.writer.delete(kind, item, checked=False)
            else:
                await context.client.delete(kind, item.metadata.name, uid=item.metadata.uid)

    found = 0
    pages = context.client.list_pages(
        kind, limit=_PAGE, field_selector=f"spec.application={application}"
    )
    async for page in pages:
        found += len(page.items)
        await for_each([item for item in page.items if not item.metadata.terminating], delete)
    return found
