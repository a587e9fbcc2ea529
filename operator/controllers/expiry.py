"""Deletes commands and access tokens that are over, and what is left of deleted users."""

from contextlib import suppress
from datetime import timedelta

from polyfleet.fleet.objects.command import Command
from polyfleet.fleet.objects.key import Key
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, COMMANDS, KEYS, USERS
from polyfleet.fleet.objects.user import AccessToken
from polyfleet.kube.devices import find_device
from polyfleet.kube.errors import Conflict, NotFound
from polyfleet.operator.context import Context
from polyfleet.operator.indexes import UID
from polyfleet.operator.reconcile.adoption import metadata_patch
from polyfleet.operator.reconcile.expiry import seconds_left
from polyfleet.operator.reconcile.verdict import Notice

_AGAIN_SECONDS = 1.0


async def reconcile_command(context: Context, name: str) -> float | None:
    """Label the command, and delete it if it is over; return when to look again."""
    command = context.cache.commands.get(name)
    if command is None or command.metadata.terminating:
        return None
    spec = command.spec
    metadata = metadata_patch(command.metadata, application=spec.application)
    if metadata is not None:
        await context.limiter.acquire()
        command = await context.write(COMMANDS, command, metadata=metadata)
        if find_device(context.cache.devices, spec.application, spec.device) is None:
            message = f"there is no device {spec.device} in application {spec.application}"
            context.tell(command, Notice("DeviceMissing", message, "Warning"))
    left = _seconds_left(context, command)
    if left is None or left > 0:
        return left
    try:
        # As it was judged: a facade may just deliver it, and then the watch is going to tell.
        await context.writer.delete(COMMANDS, command)
    except (Conflict, NotFound):
        return _AGAIN_SECONDS
    if command.status.delivered is None:
        message = f"it was not delivered until {spec.expires_at}, and is deleted"
        context.tell(command, Notice("CommandExpired", message, "Warning"))
    return None


async def reconcile_token(context: Context, name: str) -> float | None:
    """Delete the token if it or its user is no more; return when to look again."""
    token = context.cache.access_tokens.get(name)
    if token is None or token.metadata.terminating:
        return None
    if await _is_orphan(context, token):
        with suppress(NotFound):
            await context.writer.delete(ACCESS_TOKENS, token, checked=False)
        return None
    left = _seconds_left(context, token)
    if left is None or left > 0:
        return left
    with suppress(NotFound):
        await context.writer.delete(ACCESS_TOKENS, token, checked=False)
    return None


async def reconcile_ssh_key(context: Context, name: str) -> float | None:
    """Delete the SSH key if its user is no more."""
    key = context.cache.keys.get(name)
    if key is not None and not key.metadata.terminating and await _is_orphan(context, key):
        with suppress(NotFound):
            await context.writer.delete(KEYS, key, checked=False)
    return None


async def _is_orphan(context: Context, item: AccessToken | Key) -> bool:
    """Say whether the user is gone; the API server is asked, as the cache may be behind."""
    uid = item.spec.user_uid
    if context.cache.users.names(UID, uid):
        return False
    named = context.client.list_pages(USERS, field_selector=f"spec.name={item.spec.user}")
    return not any([user.metadata.uid == uid async for page in named for user in page.items])


def _seconds_left(context: Context, item: Command | AccessToken) -> float | None:
    if item.metadata.terminating:
        return None
    grace = timedelta(seconds=context.settings.expiry_grace)
    return seconds_left(item.spec.expires_at, grace, context.clock())
