"""What every route that asks for a credential answers to callers without one that holds."""

from abc import ABC, abstractmethod
from typing import ClassVar

import httpx
import pytest


class ClosedRoutes(ABC):
    """Tests for a dialect; its own class says the routes, as parameters `method` and `path`."""

    told: ClassVar[str]
    """The text for callers without a credential."""
    challenge: ClassVar[str]

    @staticmethod
    @abstractmethod
    def text_of(reply: httpx.Response) -> str:
        """Return the text of an error, and fail if it has not the dialect's form."""

    def test_without_a_token_it_is_closed(
        self, anonymous: httpx.Client, method: str, path: str
    ) -> None:
        reply = anonymous.request(method, path)
        assert (reply.status_code, self.text_of(reply)) == (401, self.told)
        assert reply.headers["www-authenticate"] == self.challenge

    @pytest.mark.parametrize("header", ["Bearer x.y.z", "Bearer token=x.y.z", "Bearer", "x"])
    def test_a_credential_that_does_not_hold_opens_nothing(
        self, anonymous: httpx.Client, method: str, path: str, header: str
    ) -> None:
        reply = anonymous.request(method, path, headers={"Authorization": header})
        assert reply.status_code == 401
        assert self.text_of(reply)
