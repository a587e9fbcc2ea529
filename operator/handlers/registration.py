"""What the handlers of all kinds have in common."""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from polyfleet.crds.base import GROUP, VERSION

Wake = Callable[[str, str], Awaitable[None]]
"""Has the object of a name looked at, which was seen at a resourceVersion."""


def register_kind(registry: kopf.OperatorRegistry, plural: str, wake: Wake) -> None:
    """Have the objects of a kind looked at: new ones, changed ones, and all after a restart."""

    async def changed(name: str, meta: kopf.Meta, **_: Any) -> None:
        await wake(name, str(meta["resourceVersion"]))

    for on in (kopf.on.create, kopf.on.update, kopf.on.resume):
        on(GROUP, VERSION, plural, id=f"{plural}-changed", registry=registry)(changed)
