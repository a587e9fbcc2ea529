"""The audit log: who changed what, or tried to, one line a management call that is no reading.

Bodies, headers and query strings are never in it, and of the path only what the route's template
names: they hold credentials. Calls of devices are no management calls.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from polyfleet.api.core.call import Call
from polyfleet.api.core.logging import AUDIT

READINGS = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_NAME = 256
"""Characters of an object's name; the rest is cut off."""

_REFUSED = frozenset({401, 403, 429})
_FAILED = 400

log = structlog.get_logger(AUDIT)


def write(
    call: Call,
    *,
    dialect: str,
    method: str,
    route: str,
    named: Mapping[str, Any],
    status: int,
) -> None:
    """Write the line of a call that has ended, if it is one that belongs in the log.

    `named` are the path's parameters: the objects that the call is about.
    """
    if not call.management or call.reading or method in READINGS:
        return
    principal = call.principal
    log.info(
        "audit",
        dialect=dialect,
        method=method,
        route=route,
        objects={key: str(value)[:LONGEST_NAME] for key, value in named.items()},
        status=status,
        outcome=_outcome(status),
        user=None if principal is None else principal.name,
        user_uid=None if principal is None else principal.uid,
        credential=None if principal is None else principal.source,
        address=call.address,
    )


def _outcome(status: int) -> str:
    if status in _REFUSED:
        return "refused"
    return "done" if status < _FAILED else "failed"
