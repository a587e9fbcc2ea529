"""Releases: two facades and an operator make them at once, in any order, and die anywhere."""

import base64
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfleet.fleet.names import config_secret_name
from polyfleet.fleet.objects.kinds import APPLICATIONS, BUILDS, RELEASES
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import MAX_VALUES_BYTES
from polyfleet.kube.errors import Conflict, Invalid, NotFound
from polyfleet.kube.releases import (
    create_config,
    ensure_release,
    index_workloads,
    own_config,
    read_values,
)
from polyfleet.kube.resources import SECRETS
from tests.kube.transactions.side import NOW, Side, running_side
from tests.kube.transactions.turns import Script, Turns, scripts

KINDS = (APPLICATIONS, BUILDS, RELEASES)
ATTEMPTS = 20


@pytest.fixture
async def facade(admin_kubeconfig: Path, namespace: str) -> AsyncIterator[Side]:
    async with running_side(admin_kubeconfig, namespace, KINDS) as side:
        index_workloads(side.cache)
        yield side


@pytest.fixture
async def other_facade(admin_kubeconfig: Path, namespace: str) -> AsyncIterator[Side]:
    async with running_side(admin_kubeconfig, namespace, KINDS) as side:
        index_workloads(side.cache)
        yield side


class Wish:
    """Somebody's wish for other values of the environment."""

    def __init__(self, by: str, values: Mapping[str, Any]) -> None:
        self.id = str(uuid.uuid4())
        self.config = str(uuid.uuid4())
        self.by = by
        self.values = values
        self.release: Release | None = None

    def patch(self) -> dict[str, Any]:
        return {
            "spec": {
                "workload": {"change": {"id": self.id, "by": self.by}},
                "config": {"uuid": self.config, "owner": self.by},
            }
        }

    async def come_true(self, side: Side, application: str) -> None:
        await create_config(side.client, application, self.config, self.values)
        writer, cache = side.writer, side.cache
        item = cache.applications.get(application) or await writer.read(APPLICATIONS, application)
        for _ in range(ATTEMPTS):
            # What others have wanted before gets its Release first.
            await ensure_release(writer, cache, item, NOW)
            try:
                item = await writer.patch(APPLICATIONS, item, self.patch())
                break
            except Conflict:
                item = await writer.read(APPLICATIONS, application)
        self.release = await ensure_release(writer, cache, item, NOW)


async def make_application(side: Side) -> str:
    name = f"shop-{uuid.uuid4().hex[:8]}"
    await side.writer.create(APPLICATIONS, name, {"name": name})
    return name


async def releases_of(side: Side, application: str) -> list[Release]:
    selector = f"spec.application={application}"
    pages = side.client.list_pages(RELEASES, field_selector=selector)
    found = [release async for page in pages for release in page.items]
    return sorted(found, key=lambda release: release.spec.version)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=scripts, operator_too=st.booleans())
async def test_each_wish_has_its_one_release_whoever_is_first_or_dies(
    facade: Side, other_facade: Side, script: Script, operator_too: bool
) -> None:
    application = await make_application(facade)
    await other_facade.hear_of(APPLICATIONS, await facade.client.get(APPLICATIONS, application))
    ann, bob = Wish("ann", {"A": 1}), Wish("bob", {"B": 2})
    if operator_too:
        await Wish("eve", {}).come_true(facade, application)

    outcomes = await Turns(script).run(
        [facade, other_facade],
        [ann.come_true(facade, application), bob.come_true(other_facade, application)],
    )

    # The operator, as it sees things afterwards.
    current = await facade.writer.read(APPLICATIONS, application)
    for release in await releases_of(facade, application):
        facade.heard(RELEASES, release)
    last = await ensure_release(facade.writer, facade.cache, current, NOW)
    made = await releases_of(facade, application)
    assert [release.spec.version for release in made] == list(range(1, len(made) + 1))
    for wish, outcome in zip((ann, bob), outcomes, strict=True):
        own = [release for release in made if release.spec.change == wish.id]
        assert len(own) <= 1
        if outcome == "done":
            assert wish.release is not None
            assert [release.metadata.uid for release in own] == [wish.release.metadata.uid]
            assert own[0].spec.owner == wish.by
    wanted = current.spec.workload
    if wanted is not None and wanted.change is not None:
        assert last is not None
        assert last.metadata.uid == made[-1].metadata.uid
        assert made[-1].spec.change == wanted.change.id
        after = await facade.writer.read(APPLICATIONS, application)
        assert after.status.last_release == len(made)


async def test_the_number_of_a_deleted_release_is_not_used_again(facade: Side) -> None:
    application = await make_application(facade)
    for number in range(1, 4):
        wish = Wish("ann", {"A": number})
        await wish.come_true(facade, application)
        assert wish.release is not None
        assert wish.release.spec.version == number
    for release in await releases_of(facade, application):
        await facade.writer.delete(RELEASES, release)

    current = await facade.writer.read(APPLICATIONS, application)
    again = await ensure_release(facade.writer, facade.cache, current, NOW)

    assert again is not None
    assert again.spec.version == 4


async def test_a_release_that_the_watch_has_not_told_of_yet_is_not_made_again(
    facade: Side, other_facade: Side
) -> None:
    application = await make_application(facade)
    await Wish("ann", {"A": 1}).come_true(facade, application)
    current = await facade.client.get(APPLICATIONS, application)
    await other_facade.hear_of(RELEASES, *await releases_of(facade, application))
    for release in other_facade.cache.releases.values():
        other_facade.cache.releases.remove(release, confirmed=False)
    assert current.status.last_release == 1

    seen = await ensure_release(other_facade.writer, other_facade.cache, current, NOW)

    assert seen is not None
    assert [item.metadata.uid for item in await releases_of(facade, application)] == [
        seen.metadata.uid
    ]


async def test_summaries_name_what_changed(facade: Side) -> None:
    application = await make_application(facade)
    said = []
    for values in ({}, {"A": "1", "B": 2}, {"A": "2"}, {"A": "2"}):
        wish = Wish("ann", values)
        await wish.come_true(facade, application)
        assert wish.release is not None
        said.append(wish.release.spec.summary)
    assert said == [
        "ann created initial release",
        "ann added A, B",
        "ann changed A, deleted B",
        "ann changed nothing",
    ]


async def test_an_edit_by_kubectl_makes_one_release_of_the_same_wish(facade: Side) -> None:
    application = await make_application(facade)
    wish = Wish("ann", {})
    await wish.come_true(facade, application)
    item = await facade.writer.read(APPLICATIONS, application)
    limits = {"spec": {"config": {"memory": {"web": "1M"}}}}
    edited = await facade.writer.patch(APPLICATIONS, item, limits)

    for _ in range(2):
        release = await ensure_release(facade.writer, facade.cache, edited, NOW)
        assert release is not None
        assert (release.spec.version, release.spec.change) == (2, wish.id)
        assert release.spec.summary == "ann changed limits for memory"


async def test_a_release_under_another_name_than_its_number_does_not_count(facade: Side) -> None:
    application = await make_application(facade)
    spec = {"application": application, "version": 7, "config": {"uuid": str(uuid.uuid4())}}
    await facade.writer.create(RELEASES, f"{application}-mine", spec)
    wish = Wish("ann", {})
    await wish.come_true(facade, application)
    assert wish.release is not None
    assert wish.release.spec.version == 1


async def test_a_build_of_another_application_is_refused(facade: Side) -> None:
    application = await make_application(facade)
    spec = {"application": "other", "image": "theirs:1"}
    await facade.writer.create(BUILDS, f"build-{application}", spec)
    item = await facade.writer.read(APPLICATIONS, application)
    wanted = {"spec": {"workload": {"build": f"build-{application}"}}}
    stealing = await facade.writer.patch(APPLICATIONS, item, wanted)

    with pytest.raises(Invalid, match="is no Build of application"):
        await ensure_release(facade.writer, facade.cache, stealing, NOW)
    assert await releases_of(facade, application) == []


async def test_values_are_kept_as_they_were_given(facade: Side) -> None:
    values = {"N": 5, "F": 1.0, "with space": {"a": None}, "T": "text"}
    config = str(uuid.uuid4())
    await create_config(facade.client, "shop", config, values)
    await create_config(facade.client, "shop", config, values)

    assert json.dumps(await read_values(facade.client, "shop", config)) == json.dumps(values)
    secret = await facade.client.get_document(SECRETS, config_secret_name("shop", config))
    assert secret["immutable"] is True
    texts = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert {key: texts[key] for key in texts if key != "values.json"} == {
        "env.N": "5",
        "env.F": "1.0",
        "env.T": "text",
    }
    assert await read_values(facade.client, "shop", str(uuid.uuid4())) is None


async def test_values_of_others_and_too_many_are_refused(facade: Side) -> None:
    config = str(uuid.uuid4())
    await create_config(facade.client, "shop", config, {"A": 1})
    with pytest.raises(Conflict, match="somebody else's"):
        await create_config(facade.client, "shop", config, {"A": 2})
    with pytest.raises(Invalid, match="larger than"):
        await create_config(facade.client, "shop", config, {"A": "x" * MAX_VALUES_BYTES})


async def test_each_release_of_a_configuration_owns_its_secret_once(facade: Side) -> None:
    application = await make_application(facade)
    wish = Wish("ann", {})
    await wish.come_true(facade, application)
    item = await facade.writer.read(APPLICATIONS, application)
    limits = {"spec": {"config": {"memory": {"web": "1M"}}}}
    edited = await facade.writer.patch(APPLICATIONS, item, limits)
    await ensure_release(facade.writer, facade.cache, edited, NOW)
    made = await releases_of(facade, application)
    await own_config(facade.client, made)

    name = config_secret_name(application, wish.config)
    secret = await facade.client.get_document(SECRETS, name)
    owners = secret["metadata"]["ownerReferences"]
    assert sorted(owner["uid"] for owner in owners) == sorted(item.metadata.uid for item in made)
    assert not any(owner.get("controller") for owner in owners)


async def test_an_application_that_is_gone_gets_no_release(facade: Side) -> None:
    with pytest.raises(NotFound):
        await Wish("ann", {}).come_true(facade, "nobody")
