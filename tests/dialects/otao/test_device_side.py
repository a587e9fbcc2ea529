"""Kaa's configuration protocol over HTTP: what a device is told, and what it tells."""

import json
import secrets
from typing import Any

import httpx
import pytest

from polyfleet.api.core.identity.endpoint_tokens import digest, generate
from polyfleet.fleet.objects.kinds import DEVICES
from tests.dialects.otao.fleet import Endpoint, Fleet, reason
from tests.dialects.waiting import eventually

NOTHING = {"configId": "", "config": None}


def test_the_loop_closes(fleet: Fleet) -> None:
    """A device without software is brought to the newest, hop by hop, as its reports allow."""
    fleet.make("1.0.0", specification={"link": "ftp://a"}, upgradableFrom=[])
    fleet.make("1.0.1", specification=["b", 1.0], upgradableFrom=["1.0.0"])
    fleet.make("1.2.3", specification="c", upgradableFrom=["1.0.1"])
    endpoint = fleet.device()
    seen = []
    question: dict[str, Any] = {}
    while (answer := endpoint.ask(**question)) != {}:
        seen.append(answer)
        endpoint.report(answer["configId"])
        assert fleet.current(endpoint.flat).json()["version"] == answer["configId"]
        question = {"configId": answer["configId"]}
    assert seen == [
        {"configId": "1.0.0", "config": {"link": "ftp://a"}},
        {"configId": "1.0.1", "config": ["b", 1.0]},
        {"configId": "1.2.3", "config": "c"},
    ]
    assert endpoint.version == "1.2.3"


def test_nothing_assigned_is_said_so(fleet: Fleet) -> None:
    endpoint = fleet.device()
    assert endpoint.ask() == NOTHING
    assert endpoint.ask(configId=None, observe=True) == NOTHING
    assert endpoint.ask(configId="") == {}


def test_who_says_what_it_runs_is_told_only_what_is_new(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    assert endpoint.ask(configId="1.0.0") == {}
    fleet.make("1.1.0", specification=2)
    assert endpoint.ask(configId="1.0.0") == {"configId": "1.1.0", "config": 2}
    assert endpoint.ask(configId="1.1.0") == {}


def test_what_a_device_says_it_runs_in_a_question_counts_as_a_report(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    endpoint.ask(configId="1.0.0")
    assert endpoint.version == "1.0.0"
    assert fleet.current(endpoint.flat).json()["version"] == "1.0.0"
    told = endpoint.device.status.software
    for _ in range(20):
        assert endpoint.ask(configId="1.0.0") == {}
    assert endpoint.device.status.software == told


def test_who_does_not_say_is_told_its_target_even_if_it_has_it(fleet: Fleet) -> None:
    body = b'{"rolloutStrategy": "general", "specification": {"a": 1.50}}'
    assert fleet.caller.post(f"{fleet.software}/1.0.0", content=body).status_code == 201
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    assert endpoint.send("config/json").text == '{"configId":"1.0.0","config":{"a": 1.50}}'


def test_software_that_is_none_of_ours_has_no_configuration(fleet: Fleet) -> None:
    endpoint = fleet.device()
    endpoint.report("factory")
    assert endpoint.ask() == NOTHING
    assert endpoint.ask(configId="factory") == {}


def test_a_version_without_specification_is_offered_to_nobody(fleet: Fleet) -> None:
    fleet.make("1.0.0")
    assert fleet.device().ask() == NOTHING


def test_null_is_a_specification(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=None)
    assert fleet.device().ask() == {"configId": "1.0.0", "config": None}


def test_suspended_and_targeted_software_reaches_whom_it_should(fleet: Fleet) -> None:
    canary, later = fleet.group("canary"), fleet.group("later")
    fleet.make("1.0.0", specification=1)
    fleet.make(
        "2.0.0",
        specification=2,
        rolloutStrategy="targeted",
        filters=[
            {"filterId": "canary", "rolloutDate": "2019-04-20T11:19:57.848Z"},
            {"filterId": later.metadata.uid, "rolloutDate": "2999-04-20T11:19:57.848Z"},
            {"filterId": "of nobody"},
        ],
    )
    fleet.make("3.0.0", specification=3, rolloutStrategy="suspended")
    fleet.make("4.0.0", specification=4, rolloutStrategy="targeted")
    assert fleet.device(groups=(canary,)).ask()["configId"] == "2.0.0"
    assert fleet.device(groups=(later,)).ask()["configId"] == "1.0.0"
    assert fleet.device().ask()["configId"] == "1.0.0"
    due = [{"filterId": later.metadata.uid, "rolloutDate": "2020-01-01T00:00:00Z"}]
    change = {"rolloutStrategy": "targeted", "filters": due}
    assert fleet.caller.put(f"{fleet.software}/2.0.0", json=change).status_code == 204
    assert fleet.device(groups=(later,)).ask()["configId"] == "2.0.0"
    assert fleet.device(groups=(canary,)).ask()["configId"] == "1.0.0"


def test_nothing_older_is_offered(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    assert endpoint.ask(configId="1.0.1") == {}
    assert endpoint.ask(configId="1.0.0+build") == {}


def test_a_device_on_hold_is_told_what_it_has(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    fleet.make("2.0.0", specification=2)
    endpoint = fleet.device(hold=True)
    assert endpoint.ask() == NOTHING
    assert endpoint.ask(configId="1.0.0") == {}
    assert endpoint.ask() == {"configId": "1.0.0", "config": 1}


def test_the_offer_is_noted_once(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    endpoint.ask()
    endpoint.ask()
    update = eventually(lambda: endpoint.device.status.update)
    assert update.attempts == 1
    assert update_of(endpoint) == ("1.0.0", "Offered", "")
    endpoint.report("1.0.0")
    assert update_of(endpoint) == ("1.0.0", "Finished", "")


@pytest.mark.parametrize("base", ["/kp1", "/kpc/kp1"])
@pytest.mark.parametrize("ending", ["", "/42"])
def test_both_base_paths_answer_with_or_without_a_request_id(
    fleet: Fleet, anonymous: httpx.Client, base: str, ending: str
) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    path = f"{base}/{fleet.name}/cmx_ota/{endpoint.token}"
    expected = {"configId": "1.0.0", "config": 1}
    assert anonymous.post(f"{path}/config/json{ending}", json={}).json() == expected
    assert anonymous.post(f"{path}/config/json{ending}").json() == expected
    assert anonymous.get(f"{path}/config/json{ending}").json() == expected
    done = anonymous.post(f"{path}/applied/json{ending}", json={"configId": "1.0.0"})
    assert (done.status_code, done.json()) == (200, {"statusCode": 200, "reasonPhrase": "OK"})
    assert endpoint.version == "1.0.0"
    assert anonymous.put(f"{path}/config/json{ending}").headers["allow"] == "GET, POST"
    assert anonymous.get(f"{path}/applied/json{ending}").status_code == 405


@pytest.mark.parametrize("status", [None, 200, 202, 299])
def test_any_success_is_installed(fleet: Fleet, status: int | None) -> None:
    endpoint = fleet.device()
    endpoint.report("1.0.0", status, "well done")
    assert endpoint.version == "1.0.0"


def test_a_version_of_any_characters_is_taken(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    endpoint.report("0.9\x1b[2K\n")
    assert endpoint.version == "0.9␛[2K␊"
    assert endpoint.ask(configId="0.9\n") == {"configId": "1.0.0", "config": 1}
    assert endpoint.version == "0.9␊"
    assert fleet.current(endpoint.flat).status_code == 404


def test_a_report_about_nothing_changes_nothing(fleet: Fleet) -> None:
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    endpoint.report("")
    assert endpoint.version == "1.0.0"


@pytest.mark.parametrize("status", [100, 300, 404, 500, 599])
def test_anything_else_is_not_installed(fleet: Fleet, status: int) -> None:
    endpoint = fleet.device()
    endpoint.report("1.0.0")
    endpoint.report("2.0.0", status, "no room")
    assert endpoint.version == "1.0.0"


def update_of(endpoint: Endpoint) -> tuple[str, str, str]:
    """Return the version that a device was last given, the state of that, and why it failed."""
    update = endpoint.device.status.update
    assert update is not None
    package = endpoint.fleet.server.facade.cache.packages.get(update.package)
    assert package is not None
    return package.spec.version, update.state, update.message


def test_a_failure_is_written_with_its_reason(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    fleet.make("2.0.0", specification=2)
    endpoint = fleet.device()
    assert endpoint.ask()["configId"] == "2.0.0"
    endpoint.report("2.0.0", 507, "no room")
    assert update_of(endpoint) == ("2.0.0", "Failed", "507 no room")
    assert endpoint.version is None
    endpoint.report("2.0.0", 500)
    assert update_of(endpoint) == ("2.0.0", "Failed", "500")
    endpoint.report("2.0.0")
    assert update_of(endpoint) == ("2.0.0", "Finished", "")
    assert endpoint.version == "2.0.0"


def test_a_failure_of_software_that_is_none_of_ours_is_taken_and_changes_nothing(
    fleet: Fleet,
) -> None:
    endpoint = fleet.device()
    endpoint.report("9.9.9", 500, "x" * 5000)
    assert endpoint.device.status.update is None


def test_a_reason_of_any_length_is_taken(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification=1)
    endpoint = fleet.device()
    endpoint.report("1.0.0", 500, "x" * 5000)
    assert update_of(endpoint)[2].startswith("500 xxx")


def test_every_request_is_a_sign_of_life(fleet: Fleet) -> None:
    asking, telling = fleet.device(), fleet.device()
    asking.ask()
    telling.report("1.0.0")
    for endpoint in (asking, telling):
        assert fleet.server.facade.activity.last_seen(endpoint.device) is not None
    assert fleet.server.facade.activity.last_seen(fleet.device().device) is None


def test_a_device_that_tells_too_often_is_told_to_wait(fleet: Fleet) -> None:
    endpoint = fleet.device()
    for number in range(12):
        endpoint.report(f"1.0.{number}")
    reply = endpoint.send("applied/json", json={"configId": "2.0.0"})
    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) > 0
    reason(reply)
    assert endpoint.version == "1.0.11"
    endpoint.report("1.0.11")


def test_a_device_that_asks_too_often_is_answered_still(fleet: Fleet) -> None:
    fleet.make("1.1.0", specification=1)
    endpoint = fleet.device()
    for number in range(20):
        assert endpoint.ask(configId=f"1.0.{number}")["configId"] == "1.1.0"


BAD = [
    ("config/json", b"{", "the body is not JSON"),
    ("config/json", b"[]", "expected object, got array"),
    ("config/json", b'{"configId": 1}', "configId: expected string"),
    ("config/json", b'{"observe": "yes"}', "observe: expected bool"),
    ("config/json", b'{"configId": "%s"}' % (b"x" * 1025), "configId: may have at most 1024"),
    ("applied/json", b"", "the body is empty"),
    ("applied/json", b"{}", "object missing required field configId"),
    ("applied/json", b'{"configId": null}', "configId: expected string, got null"),
    ("applied/json", b'{"configId": "1", "statusCode": "200"}', "statusCode: expected int"),
    ("applied/json", b'{"configId": "1", "statusCode": 99}', "statusCode: must be an HTTP status"),
    ("applied/json", b'{"configId": "1", "statusCode": 600}', "statusCode: must be an HTTP status"),
    ("applied/json", b'{"configId": "1", "reasonPhrase": 1}', "reasonPhrase: expected string"),
    ("applied/json", b'{"configId": "%s"}' % (b"x" * 1025), "configId: may have at most 1024"),
]


@pytest.mark.parametrize(("resource", "body", "text"), BAD)
def test_what_is_wrong_with_a_message_is_told(
    fleet: Fleet, resource: str, body: bytes, text: str
) -> None:
    endpoint = fleet.device()
    reply = endpoint.send(resource, content=body)
    assert reply.status_code == 400
    assert reason(reply).startswith(text)
    assert endpoint.version is None


@pytest.mark.parametrize("ending", ["", "/1"])
@pytest.mark.parametrize(
    ("method", "resource"),
    [("POST", "config/json"), ("GET", "config/json"), ("POST", "applied/json")],
)
def test_a_message_that_is_none_is_refused_on_every_route(
    fleet: Fleet, elsewhere: httpx.Client, method: str, resource: str, ending: str
) -> None:
    endpoint = fleet.device()
    path = f"{endpoint.path}/{resource}{ending}"
    reply = elsewhere.request(method, path, content=b" " * (16 * 1024 + 1))
    assert (reply.status_code, reason(reply)) == (413, "the body is larger than 16384 bytes")
    reply = elsewhere.request(method, path, content=b"{")
    assert (reply.status_code, reason(reply)[:20]) == (400, "the body is not JSON")
    reply = elsewhere.request(method, path.replace(fleet.name, "another"), content=b"{}")
    assert (reply.status_code, reason(reply)[:19]) == (404, "the endpoint is not")
    reply = elsewhere.request(method, path.replace(endpoint.token, generate()), content=b"{}")
    assert (reply.status_code, reason(reply)) == (401, "the endpoint token does not hold")


def post(client: httpx.Client, application: str, token: str) -> httpx.Response:
    return client.post(f"/kp1/{application}/cmx_ota/{token}/config/json", json={})


def test_only_a_token_that_holds_is_let_in(fleet: Fleet, elsewhere: httpx.Client) -> None:
    endpoint = fleet.device()
    assert post(elsewhere, fleet.name, endpoint.token).status_code == 200
    for token in (generate(), digest(endpoint.token), endpoint.uid):
        reply = post(elsewhere, fleet.name, token)
        assert (reply.status_code, reason(reply)) == (401, "the endpoint token does not hold")


def test_a_revoked_token_and_a_disabled_or_removed_device_are_out(
    fleet: Fleet, elsewhere: httpx.Client
) -> None:
    facade = fleet.server.facade
    revoked, disabled, removed = (fleet.device() for _ in range(3))
    for endpoint in (revoked, disabled, removed):
        assert post(elsewhere, fleet.name, endpoint.token).status_code == 200
    revoked.change({"spec": {"endpointTokenHashes": None}})
    disabled.change({"spec": {"disabled": True}})
    fleet.server.call(facade.writer.delete(DEVICES, removed.device))
    for endpoint in (revoked, disabled, removed):
        assert post(elsewhere, fleet.name, endpoint.token).status_code == 401


@pytest.mark.parametrize("ending", ["", "-v1", "-v20"])
def test_an_application_version_is_the_applications(
    fleet: Fleet, anonymous: httpx.Client, ending: str
) -> None:
    endpoint = fleet.device()
    assert post(anonymous, fleet.name + ending, endpoint.token).status_code == 200


@pytest.mark.parametrize("ending", ["-v", "-v1a", "-1", "-v1-v1", "x", "-v\u0661"])
def test_another_applications_name_does_not_fit(
    fleet: Fleet, anonymous: httpx.Client, ending: str
) -> None:
    endpoint = fleet.device()
    reply = post(anonymous, fleet.name + ending, endpoint.token)
    assert reply.status_code == 404
    assert reason(reply) == f"the endpoint is not one of {fleet.name + ending!r}"
    assert post(anonymous, "default", endpoint.token).status_code == 404


def test_a_name_that_an_application_has_is_that_applications(
    fleet: Fleet, anonymous: httpx.Client
) -> None:
    facade = fleet.server.facade
    kind, name = facade.cache.applications.kind, f"{fleet.name}-v1"
    endpoint = fleet.device()
    assert post(anonymous, name, endpoint.token).status_code == 200
    fleet.server.call(facade.writer.create(kind, name, {"name": name}))
    assert post(anonymous, name, endpoint.token).status_code == 404


def test_guesses_from_one_address_are_slowed(
    fleet: Fleet, elsewhere: httpx.Client, anonymous: httpx.Client
) -> None:
    first, new = fleet.device(), fleet.device()
    assert post(elsewhere, fleet.name, first.token).status_code == 200
    replies = [post(elsewhere, fleet.name, generate()) for _ in range(60)]
    assert [reply.status_code for reply in replies[:40]] == [401] * 40
    slowed = next(reply for reply in replies if reply.status_code != 401)
    assert slowed.status_code == 429
    assert int(slowed.headers["retry-after"]) > 0
    reason(slowed)
    assert post(elsewhere, fleet.name, first.token).status_code == 200
    assert post(anonymous, fleet.name, new.token).status_code == 200


def test_the_answer_is_json_of_the_fewest_words(fleet: Fleet) -> None:
    endpoint = fleet.device(f"d-{secrets.token_hex(3)}")
    reply = endpoint.send("config/json")
    assert reply.headers["content-type"] == "application/json"
    assert json.loads(reply.content) == NOTHING


def test_a_fault_of_our_own_is_told_without_its_details(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    endpoint = fleet.device()
    monkeypatch.setattr("polyfleet.api.dialects.otao.device_side.resolve", broken)
    reply = endpoint.send("config/json")
    assert (reply.status_code, reason(reply)) == (500, "internal error")
