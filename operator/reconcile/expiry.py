"""Command, AccessToken: when they are over."""

from datetime import datetime, timedelta

from polyfleet.fleet import instants


def seconds_left(expires_at: str | None, grace: timedelta, now: datetime) -> float | None:
    """Return for how many seconds an object is kept; 0 or less: delete it now; None: for ever.

    A time that cannot be read is none: nothing is deleted by mistake.
    """
    if not expires_at:
        return None
    try:
        over = instants.parse(expires_at) + grace
    except (ValueError, OverflowError):
        return None
    return (over - now).total_seconds()
