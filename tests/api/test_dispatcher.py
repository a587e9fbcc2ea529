"""Which dialect gets a request, and what happens when none does."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from polyfleet.api.core.logging import request_id
from polyfleet.api.core.metrics import RequestMetrics
from polyfleet.api.dispatcher import Dispatcher


class Answer:
    """What an application sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    async def send(self, message: Message) -> None:
        self.messages.append(message)


async def ask(
    dispatcher: Dispatcher,
    path: str,
    *,
    method: str = "GET",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    kind: str = "http",
) -> Answer:
    scope: dict[str, Any] = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
    }

    async def receive() -> Message:
        return {"type": f"{kind}.{'request' if kind == 'http' else 'connect'}", "body": b""}

    answer = Answer()
    await dispatcher(scope, receive, answer.send)
    return answer


def saying(name: str) -> Any:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        text = f"{name} {scope['path']} {scope['raw_path'].decode()}"
        await PlainTextResponse(text)(scope, receive, send)

    return application


def build() -> Dispatcher:
    dispatcher = Dispatcher(RequestMetrics())
    dispatcher.mount("rdfm", saying("rdfm"), ("/api/v1/packages", "/api/v2", "/local_storage"))
    dispatcher.mount("otao", saying("otao"), ("/api/v1",))
    return dispatcher


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/api/v1/packages", "rdfm"),
        ("/api/v1/packages/7", "rdfm"),
        ("/api/v1/packagesque", "otao"),
        ("/api/v1/applications/x/versions/y", "otao"),
        ("/api/v2/devices", "rdfm"),
        ("/local_storage/a/b", "rdfm"),
    ],
)
async def test_a_request_goes_to_the_owner_of_the_longest_prefix(path: str, owner: str) -> None:
    assert (await ask(build(), path)).body.decode().startswith(f"{owner} ")


async def test_several_leading_slashes_count_as_one() -> None:
    answer = await ask(build(), "///api/v1/packages")
    assert answer.body == b"rdfm /api/v1/packages /api/v1/packages"


async def test_slashes_further_on_are_left_alone() -> None:
    answer = await ask(build(), "/local_storage//a")
    assert answer.body == b"rdfm /local_storage//a /local_storage//a"


@pytest.mark.parametrize("path", ["/", "", "/nothing", "/api", "/api/v1x/packages"])
async def test_a_path_without_an_owner_is_a_small_json_404(path: str) -> None:
    answer = await ask(build(), path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'{"error":"no such path"}\n'


def test_a_prefix_has_one_owner() -> None:
    with pytest.raises(ValueError, match="/api/v2 belongs to rdfm and to other"):
        build().mount("other", saying("other"), ("/api/v2/",))


async def test_the_root_is_a_path_of_its_own_and_no_prefix() -> None:
    dispatcher = build()
    dispatcher.mount("home", saying("home"), ("/",))
    assert (await ask(dispatcher, "/")).body.startswith(b"home")
    assert (await ask(dispatcher, "/nothing")).status == 404


@pytest.mark.parametrize("prefix", ["", "/a/b/c/d", "/a//b"])
def test_a_prefix_has_one_to_three_segments(prefix: str) -> None:
    with pytest.raises(ValueError, match="one to 3 segments"):
        build().mount("other", saying("other"), (prefix,))


async def test_an_unexpected_fault_is_a_500_that_tells_nothing() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the password is hunter2")

    dispatcher = build()
    dispatcher.mount("broken", broken, ("/broken",))
    answer = await ask(dispatcher, "/broken")
    assert answer.status == 500
    assert json.loads(answer.body) == {"error": "internal error"}


async def test_a_fault_after_the_answer_began_adds_nothing_to_it() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("fine")(scope, receive, send)
        raise RuntimeError("too late")

    dispatcher = build()
    dispatcher.mount("broken", broken, ("/broken",))
    answer = await ask(dispatcher, "/broken")
    assert (answer.status, answer.body, len(answer.messages)) == (200, b"fine", 2)


async def test_a_fitting_request_id_is_kept_and_given_back() -> None:
    answer = await ask(build(), "/api/v2", headers=((b"x-request-id", b"abc-1"),))
    assert answer.headers["x-request-id"] == "abc-1"


async def test_an_unfitting_request_id_is_replaced() -> None:
    answer = await ask(build(), "/api/v2", headers=((b"x-request-id", b"a\nb"),))
    assert "\n" not in answer.headers["x-request-id"]
    assert answer.headers["x-request-id"]


async def test_each_request_has_its_own_id_while_it_is_answered() -> None:
    seen = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(request_id.get())
        await PlainTextResponse("")(scope, receive, send)

    dispatcher = build()
    dispatcher.mount("ids", application, ("/ids",))
    answers = [await ask(dispatcher, "/ids") for _ in range(3)]
    assert seen == [answer.headers["x-request-id"] for answer in answers]
    assert len(set(seen)) == 3


async def test_requests_are_counted_by_the_template_of_their_route() -> None:
    async def thing(request: Request) -> PlainTextResponse:
        return PlainTextResponse("")

    metrics = RequestMetrics()
    dispatcher = Dispatcher(metrics)
    inner = Starlette(routes=[Route("/things/{id}", thing)])
    dispatcher.mount("shop", inner, ("/things",))
    for path in ("/things/1", "/things/2", "/things/1/2"):
        await ask(dispatcher, path)
    await ask(dispatcher, "/elsewhere", method="BREW")
    counts = {
        tuple(sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "polyfleet_http_requests_total"
    }
    assert counts == {
        ("shop", "GET", "/things/{id}", "200"): 2,
        ("shop", "GET", "unmatched", "404"): 1,
        ("none", "other", "unmatched", "404"): 1,
    }


async def test_a_websocket_without_an_owner_is_refused() -> None:
    answer = await ask(build(), "/nothing", kind="websocket")
    assert [message["type"] for message in answer.messages] == ["websocket.close"]
