"""Opens the store that the settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio.to_thread
import structlog

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.api.core.artifacts.s3 import S3Connection, S3Store
from polyfleet.api.core.artifacts.store import ArtifactStore
from polyfleet.api.settings import ArtifactSettings, S3Settings

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_store(
    settings: ArtifactSettings, signer: LinkSigner
) -> AsyncIterator[ArtifactStore]:
    """Open the store, tidy up behind dead processes, and close it at exit.

    Raises OSError if a local folder cannot be made or written to.
    """
    store: ArtifactStore
    if settings.s3 is not None and settings.driver == "s3":
        store = S3Store(
            _connection(settings.s3),
            maximum_size=settings.maximum_size,
            link_lifetime=timedelta(seconds=settings.link_lifetime),
        )
    else:
        store = await anyio.to_thread.run_sync(
            lambda: LocalStore(
                settings.directory, signer=signer, maximum_size=settings.maximum_size
            )
        )
    try:
        if removed := await store.sweep():
            _log.info("removed abandoned uploads", files=removed)
        yield store
    finally:
        await store.close()


def _connection(settings: S3Settings) -> S3Connection:
    secret = settings.secret_access_key
    return S3Connection(
        bucket=settings.bucket,
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=None if secret is None else secret.get_secret_value(),
        path_style=settings.path_style,
    )
