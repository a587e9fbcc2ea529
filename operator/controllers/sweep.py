"""Deletes all that belongs to an application."""

from contextlib import suppress
from typing import Any

from polyfleet.fleet.objects.kinds import (
    BUILDS,
    CLAIMS,
    COMMANDS,
    DEVICES,
    DOMAINS,
    ENROLLMENTS,
    GROUPS,
    PACKAGES,
    RELEASES,
    ROLLOUTS,
    Kind,
)
from polyfleet.kube.errors import NotFound
from polyfleet.kube.parallel import for_each
from polyfleet.operator.context import Context

_PAGE = 500


# First what brings new members or keeps packages in use, so that nothing waits for long.
CHILDREN: tuple[Kind[Any], ...] = (
    ROLLOUTS,
    COMMANDS,
    ENROLLMENTS,
    DEVICES,
    GROUPS,
    PACKAGES,
    DOMAINS,
    RELEASES,
    BUILDS,
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
