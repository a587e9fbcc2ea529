"""`polyfleet admin`: the first administrator of an installation."""

import base64
import json
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

import typer

from polyfleet.api.core.errors import PolyfleetError
from polyfleet.api.core.identity.accounts import (
    create_access_token,
    create_administrator,
    set_password,
)
from polyfleet.api.core.identity.signing_keys import SigningKeys
from polyfleet.cli.cluster import Namespace, fail, open_client, run
from polyfleet.cli.terminal import say
from polyfleet.fleet.claimants import holder
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, USERS
from polyfleet.fleet.objects.user import User
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, NotFound
from polyfleet.kube.resources import SECRETS
from polyfleet.kube.writer import Writer

DESCRIPTION = "polyfleet admin bootstrap"
_SECRET_KEY = "password"  # noqa: S105 - the name of a key, not a password

commands = typer.Typer(no_args_is_help=True, help="Administer an installation.")


class Output(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Bootstrapped:
    """Who the administrator is; `password` and `token` only if they were made just now."""

    user: str
    created: bool
    password: str | None = None
    token: str | None = None


@commands.callback()
def _commands() -> None:
    """Administer an installation."""


@commands.command()
def bootstrap(
    *,
    user: Annotated[str, typer.Option(help="Name of the administrator.")] = "admin",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    password_from_secret: Annotated[
        str | None, typer.Option(help=f"Take it from this Secret's key `{_SECRET_KEY}`.")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Give the user a new password and token.")
    ] = False,
    with_token: Annotated[
        bool, typer.Option("--token/--no-token", help="Whether to make an access token as well.")
    ] = True,
    output: Annotated[Output, typer.Option(help="How to write the answer.")] = Output.TEXT,
    namespace: Namespace = None,
) -> None:
    """Make the first administrator, with an access token.

    If there is an administrator already, nothing is changed and no secret is shown.
    """
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else None

    async def work() -> Bootstrapped:
        async with open_client(namespace) as client:
            password = given
            if password is None and password_from_secret is not None:
                password = await _secret(client, password_from_secret)
            return await ensure_administrator(
                client, user, password, reset=reset, with_token=with_token
            )

    try:
        done = run(work)
    except PolyfleetError as error:
        fail(error.message)
    _print(done, output)


@commands.command("rotate-keys")
def rotate_keys(*, namespace: Namespace = None) -> None:
    """Sign tokens and links with a new key from now on.

    What the present key signed still holds, so nobody is logged out; what the key before it
    signed does not: let a day pass between two rotations.
    """

    async def work() -> str:
        async with open_client(namespace) as client, SigningKeys(client) as keys:
            await keys.rotate()
            return keys.ring.current_id

    typer.echo(f"Signing with {run(work)} from now on.")


async def ensure_administrator(
    client: Client,
    name: str,
    password: str | None = None,
    *,
    reset: bool = False,
    with_token: bool = True,
) -> Bootstrapped:
    """Make the administrator unless there is one; with `reset`, give `name` new secrets.

    The answer holds a password only if it was drawn here. Raises Invalid and ApiError.
    """
    existing = [item async for page in client.list_pages(USERS) for item in page.items]
    known = holder(item for item in existing if item.spec.name == name)
    if not reset:
        active = [item for item in existing if item.spec.administrator and not item.spec.disabled]
        if active:
            return Bootstrapped(user=active[0].spec.name, created=False)
        if known is not None:
            fail(f"the user {name} exists and is no administrator; --reset makes it one")
    writer = Writer(client, None)
    if known is not None:
        user = await _reset(client, writer, known)
        secret = await set_password(client, user, password)
    else:
        try:
            user, secret = await create_administrator(writer, client, name, password)
        except AlreadyExists:
            return Bootstrapped(user=name, created=False)  # made by somebody else just now
    token = None
    if with_token:
        token = (await create_access_token(writer, user, description=DESCRIPTION)).text
    shown = secret if password is None else None
    return Bootstrapped(user=name, created=known is None, password=shown, token=token)


async def _reset(client: Client, writer: Writer, user: User) -> User:
    async for page in client.list_pages(ACCESS_TOKENS):
        for token in page.items:
            spec = token.spec
            if spec.user_uid == user.metadata.uid and spec.description == DESCRIPTION:
                await writer.delete(ACCESS_TOKENS, token)
    patch = {"spec": {"administrator": True, "disabled": None}}
    return await writer.patch(USERS, user, patch)


async def _secret(client: Client, name: str) -> str:
    try:
        document = await client.get_document(SECRETS, name)
    except NotFound:
        fail(f"there is no Secret {name}")
    encoded = (document.get("data") or {}).get(_SECRET_KEY)
    if not encoded:
        fail(f"the Secret {name} has no key {_SECRET_KEY}")
    return base64.b64decode(encoded).decode()


def _print(done: Bootstrapped, output: Output) -> None:
    if output is Output.JSON:
        answer = {key: value for key, value in asdict(done).items() if value is not None}
        typer.echo(json.dumps(answer))
        return
    if not (done.created or done.password or done.token):
        say(f"The administrator {done.user} exists; nothing was changed.")
        typer.echo("Lost the password? --reset makes a new one, and a new token.")
        return
    say(f"Administrator: {done.user}")
    if done.password is not None:
        typer.echo(f"Password:      {done.password}")
    if done.token is not None:
        typer.echo(f"Access token:  {done.token}")
    if done.password or done.token:
        typer.echo("They are shown only this once.")
