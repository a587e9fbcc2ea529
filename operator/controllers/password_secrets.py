"""Lets users have the passwords that were stored before them, and takes away the others."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.kinds import Kind
from polyfleet.fleet.objects.metadata import ObjectMeta, View
from polyfleet.fleet.objects.user import User
from polyfleet.kube.errors import Conflict, Gone, NotFound
from polyfleet.kube.password_secrets import UNCLAIMED_LABEL, USER_LABEL, claim, secret_name
from polyfleet.operator.context import Context


class _PasswordSecret(View, frozen=True, kw_only=True):
    """A Secret of which only the metadata is kept."""

    metadata: ObjectMeta


_UNCLAIMED: Kind[Any] = Kind(
    "Secret", "secrets", cast("Any", _PasswordSecret), "v1", UNCLAIMED_LABEL
)


async def sweep(context: Context, _: str) -> float | None:
    """Look at all Secrets that no user has yet; return when to look again."""
    with suppress(Gone):  # the list took too long: the next round begins anew
        async for page in context.client.list_pages(_UNCLAIMED):
            for secret in page.items:
                await _settle(context, secret.metadata)
    return context.settings.config_sweep_interval


async def _settle(context: Context, secret: ObjectMeta) -> None:
    user = context.cache.users.get(secret.labels.get(USER_LABEL, ""))
    with suppress(NotFound, Conflict):
        if user is not None and _is_for(secret, user):
            await claim(context.client, user)
        elif context.clock() - parse(secret.creation_timestamp) >= timedelta(
            seconds=context.settings.config_orphan_age
        ):
            await context.client.delete_document(
                _UNCLAIMED,
                secret.name,
                uid=secret.uid,
                resource_version=secret.resource_version,
            )


def _is_for(secret: ObjectMeta, user: User) -> bool:
    return secret.name == secret_name(user.spec.name, user.spec.created_at)
