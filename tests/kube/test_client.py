"""Requests to a real API server."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import Connection, load_connection
from polyfleet.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
)
from polyfleet.kube.resources import CONFIG_MAPS, SECRETS, TOKEN_REVIEWS
from polyfleet.kube.stream import ObjectEvent
from polyfleet.kube.tokens import FileToken, StaticToken
from tests.kube.objects import SPEC


def _body(name: str = "d1", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {**SPEC, "deviceId": name}}


async def test_a_created_object_can_be_read(client: Client) -> None:
    created = await client.create(DEVICES, _body(labels={"ring": "a"}))

    read = await client.get(DEVICES, "d1")

    assert read.metadata.uid == created.metadata.uid
    assert read.metadata.labels == {"ring": "a"}
    assert read.spec.device_id == "d1"


async def test_encoded_json_is_sent_as_it_is(client: Client) -> None:
    attributes = msgspec.Raw(b'[{"name": "a", "value": {"number": 1.5}}]')
    body = _body()
    body["spec"]["attributes"] = attributes

    created = await client.create(DEVICES, body)

    assert msgspec.json.decode(created.spec.attributes) == msgspec.json.decode(attributes)


async def test_a_name_that_is_taken_is_refused(client: Client) -> None:
    await client.create(DEVICES, _body())

    with pytest.raises(AlreadyExists):
        await client.create(DEVICES, _body())


async def test_what_is_invalid_is_named_by_its_field(client: Client) -> None:
    body = _body()
    del body["spec"]["deviceId"]

    with pytest.raises(Invalid) as caught:
        await client.create(DEVICES, body)

    assert "spec.deviceId" in {cause.field for cause in caught.value.causes}


async def test_an_unknown_field_is_an_error_not_dropped(client: Client) -> None:
    body = _body()
    body["spec"]["colour"] = "red"

    with pytest.raises(Invalid, match=r"spec\.colour"):
        await client.create(DEVICES, body)


async def test_what_is_no_json_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(Invalid):
        await client.create(DEVICES, {**_body(), "spec": {"application": object()}})


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a%2fb", "a?x=1", "x" * 254, "a\n"])
async def test_a_name_that_no_object_can_have_never_gets_into_a_path(
    client: Client, name: str
) -> None:
    with pytest.raises(NotFound):
        await client.get(DEVICES, name)


async def test_a_merge_patch_changes_only_what_it_names(client: Client) -> None:
    await client.create(DEVICES, _body())

    changed = await client.patch(DEVICES, "d1", {"spec": {"hold": True}})

    assert changed.spec.hold
    assert changed.spec.device_id == "d1"


async def test_a_change_of_other_than_labels_leaves_the_labels_their_date(client: Client) -> None:
    created = await client.create(DEVICES, _body(labels={"ring": "a"}))
    patches: list[tuple[Any, Literal["merge", "json"]]] = [
        ({"spec": {"pin": "p1"}}, "merge"),
        ([{"op": "replace", "path": "/spec/pin", "value": "p2"}], "json"),
    ]
    for patch, content in patches:
        await client.patch(DEVICES, "d1", patch, content=content)
    await client.patch(DEVICES, "d1", {"metadata": {"labels": {"ring": "b"}}})

    entries = (await client.get_document(DEVICES, "d1"))["metadata"]["managedFields"]

    of_labels = [entry["manager"] for entry in entries if "f:labels" in str(entry["fieldsV1"])]
    of_pin = [entry["manager"] for entry in entries if "f:pin" in str(entry["fieldsV1"])]
    assert of_labels == [client.field_manager]
    assert of_pin == [f"{client.field_manager}-content"]
    assert created.metadata.labelled_at


async def test_a_json_patch_may_test_first(client: Client) -> None:
    await client.create(DEVICES, _body())
    patch = [
        {"op": "test", "path": "/spec/deviceId", "value": "other"},
        {"op": "add", "path": "/spec/hold", "value": True},
    ]

    with pytest.raises(Invalid):
        await client.patch(DEVICES, "d1", patch, content="json")

    assert not (await client.get(DEVICES, "d1")).spec.hold


async def test_the_status_is_written_apart(client: Client) -> None:
    await client.create(DEVICES, _body())
    seen = {"status": {"lastSeen": "2026-01-01T00:00:00Z"}}

    await client.patch(DEVICES, "d1", seen)
    assert (await client.get(DEVICES, "d1")).status.last_seen is None
    await client.patch(DEVICES, "d1", seen, subresource="status")

    assert (await client.get(DEVICES, "d1")).status.last_seen == "2026-01-01T00:00:00Z"


async def test_server_side_apply_takes_a_field_over_only_by_force(
    client: Client, connection: Connection
) -> None:
    other = Client(connection, namespace=client.namespace, field_manager="other")
    config = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    await client.patch_document(CONFIG_MAPS, "c", config, content="apply")
    config = {"metadata": {"name": "c"}, "data": {"a": "2"}}
    async with other:
        with pytest.raises(Conflict):
            await other.patch_document(CONFIG_MAPS, "c", config, content="apply")
        taken = await other.patch_document(CONFIG_MAPS, "c", config, content="apply", force=True)

    assert taken["data"] == {"a": "2"}


async def test_a_replacement_of_an_older_version_is_refused(client: Client) -> None:
    body = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    former = await client.create_document(CONFIG_MAPS, body)
    await client.patch_document(CONFIG_MAPS, "c", {"data": {"a": "2"}})

    with pytest.raises(Conflict):
        await client.replace_document(CONFIG_MAPS, "c", former)


async def test_only_the_object_that_was_meant_is_deleted(client: Client) -> None:
    former = await client.create(DEVICES, _body())
    await client.delete(DEVICES, "d1", uid=former.metadata.uid)
    await client.create(DEVICES, _body())

    with pytest.raises(Conflict):
        await client.delete(DEVICES, "d1", uid=former.metadata.uid)


async def test_deleting_says_whether_a_finalizer_holds_the_object(client: Client) -> None:
    await client.create(DEVICES, _body("held", finalizers=["example.org/wait"]))
    await client.create(DEVICES, _body("free"))

    held = await client.delete(DEVICES, "held")

    assert held is not None
    assert held.metadata.terminating
    assert await client.delete(DEVICES, "free") is None


async def test_documents_are_listed_by_label(client: Client) -> None:
    for name in ("one", "two"):
        body = {"metadata": {"name": name, "labels": {"for": name}}, "stringData": {"k": "v"}}
        await client.create_document(SECRETS, body)

    found = await client.list_documents(SECRETS, label_selector="for=two")

    assert [secret["metadata"]["name"] for secret in found] == ["two"]
    await client.delete_document(SECRETS, "two")
    with pytest.raises(NotFound):
        await client.get_document(SECRETS, "two")


async def test_a_resource_of_the_whole_cluster_is_reached(client: Client) -> None:
    review = await client.create_document(TOKEN_REVIEWS, {"spec": {"token": "nonsense"}})

    assert review["status"].get("authenticated", False) is False


async def test_a_list_comes_in_pages_of_one_version(client: Client) -> None:
    for number in range(7):
        await client.create(DEVICES, _body(f"d{number}"))
    names: list[str] = []
    sizes: list[int] = []
    async for page in client.list_pages(DEVICES, limit=3):
        names += [item.metadata.name for item in page.items]
        sizes.append(len(page.items))
        if len(sizes) == 1:
            await client.create(DEVICES, _body("later"))

    assert names == [f"d{number}" for number in range(7)]
    assert sizes == [3, 3, 1]


async def test_a_watch_tells_changes_from_a_version_on(client: Client) -> None:
    created = await client.create(DEVICES, _body())
    version = created.metadata.resource_version
    seen: list[str] = []
    async with client.watch(DEVICES, resource_version=version) as events:
        await client.patch(DEVICES, "d1", {"spec": {"hold": True}})
        await client.delete(DEVICES, "d1")
        async for event in events:
            assert isinstance(event, ObjectEvent)
            seen.append(event.type)
            if event.type == "DELETED":
                break

    assert seen == ["MODIFIED", "DELETED"]


async def test_a_watch_from_a_version_long_gone_is_refused(client: Client) -> None:
    async def follow() -> None:
        async with client.watch(DEVICES, resource_version="1") as events:
            async for _ in events:
                pass

    with pytest.raises(Gone):
        await follow()


async def test_a_watch_that_the_server_ends_just_ends(client: Client) -> None:
    async with client.watch(DEVICES, resource_version=None, timeout=1) as events:
        seen = [event async for event in events if isinstance(event, ObjectEvent)]

    assert seen == []


async def test_leaving_a_watch_early_leaves_nothing_behind(client: Client) -> None:
    async with client.watch(DEVICES, resource_version=None, initial_events=True) as events:
        async for _ in events:
            break

    assert (await client.create(DEVICES, _body())).metadata.uid


async def test_more_requests_than_connections_wait_for_their_turn(
    connection: Connection, namespace: str
) -> None:
    async with Client(
        connection, namespace=namespace, field_manager="test", connections=2
    ) as client:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(client.create(DEVICES, _body(f"d{number}")))
        pages = [page async for page in client.list_pages(DEVICES)]

    assert len(pages[0].items) == 20


async def test_a_cancelled_request_does_not_mix_up_the_next(
    connection: Connection, namespace: str
) -> None:
    async with Client(
        connection, namespace=namespace, field_manager="test", connections=1
    ) as client:
        await client.create(DEVICES, _body("d1"))
        await client.create(DEVICES, _body("d2"))
        for steps in range(12):
            cancelled = asyncio.create_task(client.get(DEVICES, "d1"))
            for _ in range(steps):
                await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
            assert (await client.get(DEVICES, "d2")).metadata.name == "d2"


async def test_a_server_that_is_not_there_is_unavailable_and_got_nothing(namespace: str) -> None:
    nowhere = Connection("http://127.0.0.1:1")
    async with Client(nowhere, namespace=namespace, field_manager="test") as client:
        with pytest.raises(Unavailable) as caught:
            await client.get(DEVICES, "d1")

    assert not caught.value.sent


async def test_a_server_with_another_authority_is_not_trusted(
    connection: Connection, namespace: str
) -> None:
    stranger = replace(connection, ssl=ssl.create_default_context())
    async with Client(stranger, namespace=namespace, field_manager="test") as client:
        with pytest.raises(Unavailable, match="certificate"):
            await client.get(DEVICES, "d1")


async def test_a_token_renewed_in_its_file_is_used_after_a_refusal(
    service_account_kubeconfig: Callable[[str], Path], namespace: str, tmp_path: Path
) -> None:
    good = load_connection(service_account_kubeconfig("polyfleet-facade"))
    assert good.token is not None
    file = tmp_path / "token"
    file.write_text("expired")
    renewed = replace(good, token=FileToken(file))
    async with Client(renewed, namespace=namespace, field_manager="test") as client:
        with pytest.raises(Unauthorized):
            await client.get(DEVICES, "d1")
        assert await renewed.token.token() == "expired"  # type: ignore[union-attr]
        file.write_text(await good.token.token())
        with pytest.raises(NotFound):
            await client.get(DEVICES, "d1")


async def test_a_role_that_is_too_small_is_forbidden(
    service_account_kubeconfig: Callable[[str], Path], namespace: str
) -> None:
    limited = load_connection(service_account_kubeconfig("polyfleet-facade"))
    async with Client(limited, namespace="kube-system", field_manager="test") as client:
        with pytest.raises(Forbidden):
            await client.get_document(SECRETS, "any")


async def test_a_token_cannot_smuggle_a_header(namespace: str) -> None:
    smuggler = Connection("http://127.0.0.1:1", token=StaticToken("a\r\nX-Evil: 1"))
    async with Client(smuggler, namespace=namespace, field_manager="test") as client:
        with pytest.raises(Unavailable, match="printable"):
            await client.get(DEVICES, "d1")


async def test_requests_are_counted_by_verb_kind_and_code(
    client: Client, registry: CollectorRegistry
) -> None:
    with pytest.raises(ApiError):
        await client.get(DEVICES, "absent")
    await client.create(DEVICES, _body())

    def count(verb: str, code: str) -> float | None:
        labels = {"verb": verb, "kind": "Device", "code": code}
        return registry.get_sample_value("polyfleet_api_requests_total", labels)

    assert (count("get", "404"), count("create", "201")) == (1, 1)
