"""A client certificate that somebody renews: loaded anew once the API server refuses it."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext, SSLError

import anyio.to_thread
import structlog
from cryptography import x509

_SETTLED_SECONDS = 30.0
"""Refusals of requests that were sent before a renewal say nothing about what was loaded then."""

_log = structlog.get_logger(__name__)


class ClientCertificate:
    """The certificate in `context`, and where a newer one is found.

    `read` returns certificate and key in PEM; it raises OSError or ValueError where there
    are none now. Connections that are open keep the certificate that they began with.
    """

    def __init__(self, context: SSLContext, read: Callable[[], bytes], source: Path) -> None:
        self._context = context
        self._read = read
        self._source = source
        self._told = False
        self._renewed_at = -_SETTLED_SECONDS
        self._loaded = read()
        _load(context, self._loaded)

    async def renew(self) -> bool:
        """Load what is there now, because the API server refused; say whether to ask again.

        It is not if it is the same as before; that is logged, once for each certificate.
        """
        if self._is_settling():
            return True
        try:
            found = await anyio.to_thread.run_sync(self._read)
            if found != self._loaded:
                _load(self._context, found)
                self._loaded, self._told, self._renewed_at = found, False, time.monotonic()
                _log.info("client certificate renewed", file=str(self._source), **_dates(found))
                return True
        except (OSError, ValueError, SSLError) as error:
            # It may be half written; the next refusal leads here again.
            _log.warning(
                "client certificate not readable", file=str(self._source), error=repr(error)
            )
            return False
        if self._is_settling():  # by another refused request, while this one read
            return True
        if not self._told:
            self._told = True
            _log.error(
                "the API server refuses the client certificate",
                file=str(self._source),
                **_dates(found),
            )
        return False

    def _is_settling(self) -> bool:
        return time.monotonic() - self._renewed_at < _SETTLED_SECONDS


def _load(context: SSLContext, pem: bytes) -> None:
    # The ssl module reads certificates from files only; mkstemp makes them mode 600.
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def _dates(pem: bytes) -> dict[str, str]:
    certificate = x509.load_pem_x509_certificate(pem)
    return {"expires": certificate.not_valid_after_utc.isoformat()}
