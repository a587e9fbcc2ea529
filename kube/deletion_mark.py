"""The mark of who sets out to delete an object, so that nobody begins to use it meanwhile.

Deleting and beginning to use race with each other, on different objects and in different
processes. Each side first writes (the mark; the use) and then reads, from the API server, what
the other writes: so at least one of them sees the other and takes its step back. A mark counts for
`LIFETIME`, lest a dead deleter block for ever. It is never just passed over: whoever finds it too
old takes it away, and the deletion, which is checked against the marked version, fails. So the
rule holds however long a deleter was held up, and however wrong a clock is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from polyfleet.fleet.instants import parse, timestamp
from polyfleet.fleet.objects.kinds import Kind, Object
from polyfleet.fleet.objects.metadata import DELETING_ANNOTATION
from polyfleet.kube.errors import ApiError, Conflict, NotFound
from polyfleet.kube.writer import Writer

LIFETIME = timedelta(seconds=60)

_log = structlog.get_logger(__name__)


async def mark(writer: Writer, kind: Kind[Object], item: Object, now: datetime) -> Object:
    """Mark the object and return it as it is then; raises NotFound if it is gone already.

    Another's mark is taken over: then its owner does not delete.
    """
    patch = {"metadata": {"annotations": {DELETING_ANNOTATION: timestamp(now)}}}

    def decide(current: Object) -> Mapping[str, Any]:
        if current.metadata.uid != item.metadata.uid or current.metadata.terminating:
            raise NotFound(404, "NotFound", f"{kind.name} {item.metadata.name} was deleted")
        return patch

    return await writer.update(kind, item.metadata.name, decide)


async def unmark(writer: Writer, kind: Kind[Object], marked: Object) -> None:
    """Take our mark away, if it is still there; failing that, it ends by itself."""

    def decide(current: Object) -> Mapping[str, Any] | None:
        ours = marked.metadata.annotations.deleting
        if current.metadata.annotations.deleting != ours or current.metadata.terminating:
            return None
        return {"metadata": {"annotations": {DELETING_ANNOTATION: None}}}

    try:
        await writer.update(kind, marked.metadata.name, decide)
    except NotFound:
        return
    except ApiError as error:
        _log.warning("deletion mark left", object=marked.metadata.name, reason=str(error))


async def usable(
    writer: Writer, kind: Kind[Object], name: str, now: datetime, *, uid: str | None = None
) -> Object | None:
    """Read the object anew; None if it is absent, another (by uid), or being deleted.

    Call it after the use was written. Takes away a mark that is too old. Raises ApiError.
    """
    try:
        found = await writer.read(kind, name)
        if found.metadata.terminating or uid not in {None, found.metadata.uid}:
            return None
        if found.metadata.annotations.deleting is None:
            return found
        if not _is_over(found.metadata.annotations.deleting, now):
            return None
        patch = {"metadata": {"annotations": {DELETING_ANNOTATION: None}}}
        return await writer.patch(kind, found, patch)
    except (NotFound, Conflict):
        return None


def _is_over(deleting: str, now: datetime) -> bool:
    try:
        since = parse(deleting)
    except ValueError:
        return True  # written by hand
    # A mark from the future is that of a clock gone wrong.
    return abs(now - since) > LIFETIME
