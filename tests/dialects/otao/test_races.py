"""Two writers at once: the API server decides, nothing is lost."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.dialects.otao.fleet import GENERAL, Fleet
from tests.facade_fixtures import FacadeServer, running_facade


def at_once(*calls: Callable[[], httpx.Response]) -> list[int]:
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return sorted(future.result().status_code for future in futures)


def test_of_many_who_make_a_version_one_does(fleet: Fleet) -> None:
    for number in range(5):
        calls = [
            lambda who=who, number=number: fleet.post(f"1.0.{number}", metadata=who)
            for who in range(6)
        ]
        assert at_once(*calls) == [201, 400, 400, 400, 400, 400]
    assert len(fleet.caller.get(fleet.software).json()) == 5


def test_of_two_replicas_that_make_a_version_one_does(fleet: Fleet, server: FacadeServer) -> None:
    token = server.user_token(f"admin-{secrets.token_hex(4)}", administrator=True)
    with running_facade(server.settings) as second, second.client(token) as other:
        for number in range(5):
            path = f"{fleet.software}/1.0.{number}"
            assert at_once(
                lambda path=path: fleet.caller.post(path, json=GENERAL),
                lambda path=path: other.post(path, json=GENERAL),
            ) == [201, 400]


def test_changes_at_once_are_each_whole(fleet: Fleet) -> None:
    fleet.make("1.0.0")

    def change(who: int) -> httpx.Response:
        body = {
            "rolloutStrategy": "targeted",
            "metadata": who,
            "upgradableFrom": [f"0.{who}.0"],
            "filters": [{"filterId": f"group {who}"}],
        }
        return fleet.caller.put(f"{fleet.software}/1.0.0", json=body)

    assert at_once(*(lambda who=who: change(who) for who in range(4))) == [204] * 4
    shown = fleet.show("1.0.0")
    who = shown["metadata"]
    assert shown["upgradableFrom"] == [f"0.{who}.0"]
    assert shown["filters"] == [{"filterId": f"group {who}"}]
