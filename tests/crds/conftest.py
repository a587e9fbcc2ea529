"""A way to ask the API server for its opinion without keeping anything."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from polyfleet.crds.base import GROUP, VERSION
from polyfleet.local.install import connect

Documents = client.CustomObjectsApi


@pytest.fixture(scope="session")
def documents(admin_kubeconfig: Path) -> Iterator[Documents]:
    with connect(admin_kubeconfig) as connection:
        yield Documents(connection)


@pytest.fixture(scope="session")
def complaint_about(documents: Documents) -> Callable[[str, str, Mapping[str, Any]], str]:
    """Return what the API server says against an object; empty when it would take it."""

    def ask(kind: str, plural: str, body: Mapping[str, Any]) -> str:
        whole = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "metadata": {"name": "tried"},
            **body,
        }
        try:
            documents.create_namespaced_custom_object(
                GROUP, VERSION, "default", plural, whole, dry_run="All", field_validation="Strict"
            )
        except client.ApiException as error:
            return str(json.loads(str(error.body))["message"])
        return ""

    return ask
