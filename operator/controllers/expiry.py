"""Deletes commands and access tokens that are over."""

from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from polyfleet.fleet.objects.command import Command
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, COMMANDS, Kind
from polyfleet.fleet.objects.user import AccessToken
from polyfleet.kube.errors import NotFound
from polyfleet.operator.context import Context
from polyfleet.operator.reconcile.expiry import seconds_left

Expiring = TypeVar("Expiring", Command, AccessToken)


async def reconcile_command(context: Context, name: str) -> float | None:
    """Delete the command if it is over; return when to look again."""
    command = context.cache.commands.get(name)
    return None if command is None else await _expire(context, COMMANDS, command)


async def reconcile_token(context: Context, name: str) -> float | None:
    """Delete the token if it is over; return when to look again."""
    token = context.cache.access_tokens.get(name)
    return None if token is None else await _expire(context, ACCESS_TOKENS, token)


async def _expire(context: Context, kind: Kind[Expiring], item: Expiring) -> float | None:
    if item.metadata.terminating:
        return None
    grace = timedelta(seconds=context.settings.expiry_grace)
    left = seconds_left(item.spec.expires_at, grace, context.clock())
    if left is None or left > 0:
        return left
    with suppress(NotFound):
        await context.writer.delete(kind, item, checked=False)
    return None
