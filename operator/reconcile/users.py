"""User: a serial, and whether the name is the user's own."""

from datetime import datetime

from polyfleet.fleet.objects.user import User
from polyfleet.operator.reconcile.conditions import Wanted, plain_fields, status_patch
from polyfleet.operator.reconcile.verdict import Verdict

READY = "Ready"


def judge(user: User, *, older: str | None, serial: int | None, now: datetime) -> Verdict:
    """Return what the user's status should say; `older` names an older user of the same name."""
    if older is None:
        ready = Wanted(READY, True, "Reconciled", "")
    else:
        ready = Wanted(READY, False, "DuplicateName", f"the older user {older} has the same name")
    return Verdict(status=status_patch(user, [ready], now, **plain_fields({"serial": serial})))
