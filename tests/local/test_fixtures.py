"""The fixtures that every other test stands on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store

from polyfleet.local.processes import wait_until

Kubectl = Callable[..., str]


def test_kubectl_works_in_the_namespace_of_the_test(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "configmap", "mine")

    where = kubectl("get", "configmap", "mine", "--output", "jsonpath={.metadata.namespace}")

    assert where == namespace


def test_kubectl_fails_with_what_it_complained_of(kubectl: Kubectl) -> None:
    with pytest.raises(AssertionError, match="not found"):
        kubectl("get", "configmap", "absent")


def test_the_facades_account_may_not_look_into_another_namespace(
    kubectl: Kubectl, service_account_kubeconfig: Callable[[str], Path]
) -> None:
    facade = str(service_account_kubeconfig("polyfleet-facade"))

    assert kubectl("get", "devices.polyfleet.dev", "--kubeconfig", facade) == ""
    with pytest.raises(AssertionError, match="Forbidden"):
        kubectl("get", "devices.polyfleet.dev", "--kubeconfig", facade, "--namespace", "default")


@pytest.mark.controller_manager
def test_a_marked_test_sees_garbage_collected(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "owner")
    uid = kubectl("get", "configmap", "owner", "--output", "jsonpath={.metadata.uid}")
    reference = f'[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{uid}"}}]'
    kubectl("create", "configmap", "owned")
    patch = f'{{"metadata":{{"ownerReferences":{reference}}}}}'
    kubectl("patch", "configmap", "owned", "--type", "merge", "--patch", patch)

    kubectl("delete", "configmap", "owner")

    def gone() -> bool:
        return kubectl("get", "configmap", "owned", "--ignore-not-found") == ""

    assert wait_until(gone, seconds=60)


def test_an_object_goes_in_and_out_of_the_object_storage(object_storage: Any) -> None:
    store = S3Store(
        object_storage.bucket,
        endpoint=object_storage.endpoint,
        access_key_id=object_storage.access_key_id,
        secret_access_key=object_storage.secret_access_key,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )

    store.put("a/b", b"content")

    assert bytes(store.get("a/b").bytes()) == b"content"
