"""What a facade that is killed in the middle leaves behind, and who takes it away.

Everything is real but the kubelet: a Pod stays as it was made, and goes when it is deleted.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyfleet.api.core.identity.password_hashes import PasswordHashes
from polyfleet.kube.client import Client
from polyfleet.kube.password_secrets import secret_name
from polyfleet.kube.releases import create_config
from tests.conftest import kubectl_in
from tests.facade_client import facade_client
from tests.faults.site import Site, site_at, wait_for
from tests.operator.conftest import Fleet, Start, eventually

Kubectl = Callable[..., str]


@pytest.fixture(name="kubectl")
def _kubectl(admin_kubeconfig: Path, own_fleet: Fleet, tmp_path: Path) -> Kubectl:
    """Provide kubectl in the namespace of the test's own operator."""
    return kubectl_in(own_fleet.namespace, admin_kubeconfig, tmp_path / "cache")


@pytest.fixture
def site(admin_kubeconfig: Path, tmp_path: Path) -> Iterator[Site]:
    """Provide one facade and one operator, which looks for left-over commands all the time."""
    settings = {"run_sweep_interval": 0.1, "run_grace": 0, "deis__patience": 0}
    with site_at(admin_kubeconfig, tmp_path, facades=1, operators=1, **settings) as found:
        found.wait_ready()
        yield found


@pytest.mark.controller_manager
def test_the_pod_of_a_command_goes_though_the_facade_that_waited_for_it_was_killed(
    site: Site, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    [facade], kubectl = site.facades, kubectl_in(site.fleet.namespace, admin_kubeconfig, tmp_path)
    headers = {"Authorization": f"token {site.token}"}

    def pods(process_type: str, *more: str) -> list[dict[str, Any]]:
        selector = f"polyfleet.dev/process-type={process_type}"
        found = json.loads(kubectl("get", "pods", "-l", selector, "-o", "json", *more))
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    with httpx.Client(base_url=facade.url, headers=headers, timeout=600) as caller:

        def post(path: str, **body: Any) -> None:
            with suppress(httpx.TransportError):  # how a killed facade answers
                assert caller.post(path, json=body).is_success

        post("/v1/apps", id="shop")
        # A process type may be called as commands are; it has no deadline.
        post("/v1/apps/shop/builds", image="x", procfile={"run": "forever"})
        post("/v1/apps/shop/scale", cmd=0, run=1)
        eventually(lambda: len(pods("run")) == 1, "the process runs")
        [process] = pods("run")
        threads = [
            threading.Thread(target=post, args=["/v1/apps/shop/run"], kwargs={"command": command})
            for command in ("one", "two")
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: len(pods("run")) == 3, "both commands run")
        facade.kill()
        for thread in threads:
            thread.join()
    left, waits = (pod for pod in pods("run") if pod["metadata"]["uid"] != uid_of(process))
    assert left["spec"]["activeDeadlineSeconds"] == 600

    # The time of one of them is over.
    name = left["metadata"]["name"]
    kubectl("patch", "pod", name, "--type=merge", "-p", '{"spec":{"activeDeadlineSeconds":1}}')

    wait_for(lambda: len(pods("run")) == 2, lambda: f"{name} goes")
    assert {uid_of(pod) for pod in pods("run")} == {uid_of(process), uid_of(waits)}


def uid_of(item: dict[str, Any]) -> str:
    return str(item["metadata"]["uid"])


async def leave_config(kubeconfig: Path, namespace: str, application: str, uuid: str) -> None:
    """Make the Secret of a configuration, as a facade does that dies before it names it."""
    async with facade_client(kubeconfig, namespace, Client) as client:
        await create_config(client, application, uuid, {"A": "1"})


ORPHAN, NAMED, YOUNG = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


def configs(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    found = json.loads(kubectl("get", "secrets", "-o", "json"))["items"]
    return {secret["metadata"]["name"]: secret for secret in found}


async def test_the_values_that_nothing_names_are_taken_away(
    admin_kubeconfig: Path, own_fleet: Fleet, kubectl: Kubectl, start_operator: Start
) -> None:
    place = own_fleet.namespace
    for uuid in (ORPHAN, NAMED):
        await leave_config(admin_kubeconfig, place, "shop", uuid)
    orphan = f"app-shop-config-{ORPHAN}"
    assert orphan in configs(kubectl)
    # Died between the Secret and the Application; and between the Application and the Release.
    change = {"id": NAMED, "by": "ann"}
    own_fleet.create("Application", "shop", config={"uuid": NAMED}, workload={"change": change})
    kubectl("create", "secret", "generic", "app-shop-config", "--from-literal=A=1")
    labels = {"polyfleet.dev/application": "shop"}
    for kind in ("Opaque", "example.com/theirs"):
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"app-shop-{kind.lower().replace('/', '.')}", "labels": labels},
            "type": kind,
        }
        kubectl("create", "-f", "-", stdin=json.dumps(body))
    before = set(configs(kubectl))

    with start_operator(place, config_sweep_interval=0.2, config_orphan_age=1) as operator:
        operator.wait_for("looked at everything")
        eventually(lambda: orphan not in configs(kubectl), "it goes")
        own_fleet.comes_to("Release", "shop-v1", lambda item: True)
        assert set(configs(kubectl)) == before - {orphan}


async def test_the_values_of_what_is_just_being_made_stay(
    admin_kubeconfig: Path, own_fleet: Fleet, kubectl: Kubectl, start_operator: Start
) -> None:
    place = own_fleet.namespace
    await leave_config(admin_kubeconfig, place, "making", YOUNG)
    [young] = configs(kubectl)
    own_fleet.create("Application", "shop")
    own_fleet.create("Build", "shop-1", application="shop")

    with start_operator(place, config_sweep_interval=0.2, config_orphan_age=3600):
        own_fleet.comes_to("Release", "shop-v1", lambda item: True)
        [secret] = configs(kubectl).keys() - {young}
        eventually(lambda: owners(kubectl, secret) == ["shop-v1"], "the Release owns its values")
        # Whoever made the Release died before it said so: the sweep does, of each Secret in turn.
        kubectl("patch", "secret", secret, "--type=merge", "-p", NO_OWNERS)
        eventually(lambda: owners(kubectl, secret) == ["shop-v1"], "the sweep was here")
        assert young < secret
        assert young in configs(kubectl)


async def leave_password(kubeconfig: Path, namespace: str, name: str, created_at: str) -> str:
    """Store a password, as a facade does that dies before it makes the user; return its Secret."""
    async with facade_client(kubeconfig, namespace, Client) as client:
        await PasswordHashes(client).deposit(name, created_at, name, "open sesame")
    return secret_name(name, created_at)


REGISTERED, EARLIER = "2030-01-01T00:00:00.000002Z", "2030-01-01T00:00:00.000001Z"


async def test_the_password_of_who_was_never_made_goes_and_that_of_a_user_is_owned(
    admin_kubeconfig: Path, own_fleet: Fleet, kubectl: Kubectl, start_operator: Start
) -> None:
    place = own_fleet.namespace
    nobodys = await leave_password(admin_kubeconfig, place, "nobody", REGISTERED)
    earlier = await leave_password(admin_kubeconfig, place, "ann", EARLIER)
    anns = await leave_password(admin_kubeconfig, place, "ann", REGISTERED)
    own_fleet.create("User", "ann", createdAt=REGISTERED)
    with start_operator(place, config_sweep_interval=0.2, config_orphan_age=1):
        eventually(lambda: owners(kubectl, anns) == ["ann"], "ann has her password")
        eventually(lambda: set(configs(kubectl)) == {anns}, f"{nobodys} and {earlier} go")


async def test_the_password_of_a_user_that_is_just_being_made_stays(
    admin_kubeconfig: Path, own_fleet: Fleet, kubectl: Kubectl, start_operator: Start
) -> None:
    place = own_fleet.namespace
    young, other = sorted(
        [
            await leave_password(admin_kubeconfig, place, "making", REGISTERED),
            await leave_password(admin_kubeconfig, place, "ann", REGISTERED),
        ]
    )
    names = {secret_name(name, REGISTERED): name for name in ("making", "ann")}
    # The sweep goes by name: once the second has an owner, it was at the first.
    own_fleet.create("User", names[other], createdAt=REGISTERED)
    with start_operator(place, config_sweep_interval=0.2, config_orphan_age=3600):
        eventually(lambda: owners(kubectl, other) == [names[other]], "the sweep was here")
        assert owners(kubectl, young) == []


NO_OWNERS = '{"metadata":{"ownerReferences":null}}'


def owners(kubectl: Kubectl, secret: str) -> list[str]:
    metadata = configs(kubectl)[secret]["metadata"]
    return [owner["name"] for owner in metadata.get("ownerReferences", ())]


def test_the_ssh_keys_of_a_deleted_user_go(fleet: Fleet, unique: str) -> None:
    users = {name: fleet.create("User", name) for name in (unique, f"{unique}-stays")}
    for name, user in users.items():
        for number in (1, 2):
            key = {"user": name, "userUid": user["metadata"]["uid"]}
            fleet.create("Key", f"{name}-{number}", **key)
    # Once that of nobody is gone, the operator has looked at all before it, and let them be.
    fleet.create("Key", f"{unique}-nobodys", userUid="of-nobody")
    fleet.gone("Key", f"{unique}-nobodys")
    assert fleet.get("Key", f"{unique}-1") is not None
    fleet.delete("User", unique)
    fleet.gone("Key", f"{unique}-1")
    fleet.gone("Key", f"{unique}-2")
    assert fleet.get("Key", f"{unique}-stays-1") is not None
    assert fleet.get("Key", f"{unique}-stays-2") is not None


def test_the_ssh_keys_of_who_was_deleted_while_no_operator_ran_go(
    own_fleet: Fleet, start_operator: Start
) -> None:
    ann = own_fleet.create("User", "ann")
    own_fleet.create("Key", "anns", userUid=uid_of(ann))
    own_fleet.create("Key", "nobodys", userUid="of-an-earlier-ann")
    with start_operator(own_fleet.namespace) as operator:
        operator.wait_for("looked at everything")
        own_fleet.gone("Key", "nobodys")
        assert own_fleet.get("Key", "anns") is not None
