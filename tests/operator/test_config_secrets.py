"""Secrets of configurations that nothing names are deleted, and no others."""

import secrets
import uuid
from pathlib import Path

from kubernetes import client

from polyfleet.fleet.names import config_secret_name
from polyfleet.kube.releases import CONFIG_TYPE
from polyfleet.local.install import connect
from tests.operator.conftest import Fleet, Start, eventually


def test_only_the_values_that_nothing_names_go(
    admin_kubeconfig: Path, own_fleet: Fleet, start_operator: Start, unique: str
) -> None:
    wanted, abandoned = (str(uuid.uuid4()) for _ in range(2))
    own_fleet.create("Application", unique, config={"uuid": wanted})
    somebodys = f"somebodys-{secrets.token_hex(4)}"
    with connect(admin_kubeconfig) as connection:
        core = client.CoreV1Api(connection)

        def make(name: str, type_: str) -> None:
            labels = {"polyfleet.dev/application": unique}
            body = {"metadata": {"name": name, "labels": labels}, "type": type_}
            core.create_namespaced_secret(own_fleet.namespace, body)

        def there() -> set[str]:
            found = core.list_namespaced_secret(own_fleet.namespace)
            return {item.metadata.name for item in found.items}

        make(config_secret_name(unique, wanted), CONFIG_TYPE)
        make(config_secret_name(unique, abandoned), CONFIG_TYPE)
        make(somebodys, "Opaque")
        sweeps = {"config_sweep_interval": 0.5, "config_orphan_age": 0}
        with start_operator(own_fleet.namespace, **sweeps):
            eventually(
                lambda: config_secret_name(unique, abandoned) not in there(), "it is deleted"
            )
        assert {config_secret_name(unique, wanted), somebodys} <= there()
