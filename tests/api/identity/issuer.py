"""An OpenID Connect issuer and introspection endpoint on a real port, with real keys."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

AUDIENCE = "polyfleet-tests"
CLIENT_ID = "facade"
CLIENT_SECRET = "very/secret+:text"

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


@dataclass
class Issuer:
    """Signs tokens, publishes its keys, and answers what it knows about opaque tokens."""

    url: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    key_requests: int = 0
    introspections: int = 0
    known_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    away: bool = False
    claimed_issuer: str | None = None
    keys_url: str | None = None
    redirect_introspection: bool = False

    def token(
        self,
        key_id: str = "rsa",
        algorithm: str = "RS256",
        *,
        key: Any = None,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Return a token of now; `claims` replace the usual ones."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "subject-1", "exp": now + 300}
        payload = {k: v for k, v in {**usual, **claims}.items() if k not in without}
        signer = key if key is not None else self.keys[key_id]
        named = {k: v for k, v in {"kid": key_id, **(headers or {})}.items() if v is not None}
        return jwt.encode(payload, signer, algorithm=algorithm, headers=named)

    def reset(self, keys: dict[str, PrivateKey]) -> None:
        """Forget what a test did."""
        vars(self).update(vars(Issuer(url=self.url, keys=dict(keys))))

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/introspect", self._introspect, methods=["POST"]),
            ]
        )

    async def _discovery(self, _request: Request) -> Response:
        if self.away:
            return PlainTextResponse("away", status_code=503)
        return JSONResponse(
            {
                "issuer": self.claimed_issuer or self.url,
                "jwks_uri": self.keys_url or f"{self.url}/keys",
            }
        )

    async def _keys(self, _request: Request) -> Response:
        self.key_requests += 1
        return JSONResponse({"keys": [_jwk(key_id, key) for key_id, key in self.keys.items()]})

    async def _introspect(self, request: Request) -> Response:
        self.introspections += 1
        if self.away:
            return PlainTextResponse("away", status_code=503)
        if self.redirect_introspection:
            return RedirectResponse(f"{self.url}/elsewhere", status_code=307)
        # The secret arrives form-encoded inside Basic (RFC 6749, 2.3.1).
        pair = f"{CLIENT_ID}:very%2Fsecret%2B%3Atext"
        expected = "Basic " + base64.b64encode(pair.encode()).decode()
        if request.headers.get("authorization") != expected:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        form = await request.form()
        return JSONResponse(self.known_tokens.get(str(form["token"]), {"active": False}))


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer for the length of the block."""
    issuer = Issuer()
    server = uvicorn.Server(
        uvicorn.Config(issuer.application(), host="127.0.0.1", port=0, log_config=None)
    )
    listener = server.config.bind_socket()
    listener.listen()  # from here on connections wait, though the server may still be starting
    issuer.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def _jwk(key_id: str, key: PrivateKey) -> dict[str, Any]:
    algorithm: Any = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(key, RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": key_id, "use": "sig"}
