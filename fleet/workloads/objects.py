"""The Kubernetes objects that an application's release becomes, whole, as they are applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyfleet.fleet.names import (
    application_label,
    config_secret_name,
    ingress_name,
    workload_name,
)
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.metadata import (
    APPLICATION_LABEL,
    APPLICATION_UID_LABEL,
    PROCESS_LABEL,
    RELEASE_LABEL,
)
from polyfleet.fleet.objects.owners import owner_reference
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import VARIABLE_PREFIX
from polyfleet.fleet.workloads.processes import (
    HTTP,
    PORT,
    ReleaseValues,
    command,
    port,
    probes,
    resources,
)

MANAGED_BY = {"app.kubernetes.io/managed-by": "polyfleet"}
# Where clouds tell virtual machines their secrets.
_METADATA_SERVICE = "169.254.169.254/32"


@dataclass(frozen=True)
class Limits:
    """What the settings say about all Deployments; times are in seconds."""

    deadline: int = 120
    settle: int = 5
    grace: int = 30


@dataclass(frozen=True)
class Running:
    """A release with all that its Deployments are made of; `routed` is the type with the port."""

    application: Application
    release: Release
    build: Build
    values: ReleaseValues
    routed: str | None
    limits: Limits = Limits()
    same_namespace: bool = True


def metadata(
    application: Application, name: str, *, owned: bool, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the metadata of an object of the application's workload.

    `owned` objects have the Application as their controller and go with it; in another namespace
    there can be no such reference, and the operator sweeps them.
    """
    found: dict[str, Any] = {
        "name": name,
        "labels": {**MANAGED_BY, **selector(application), **(labels or {})},
    }
    if owned:
        found["ownerReferences"] = [
            {**owner_reference(APPLICATIONS, application), "controller": True}
        ]
    return found


def selector(application: Application, process_type: str | None = None) -> dict[str, str]:
    """Return the labels by which the application's Pods are found."""
    found = {
        APPLICATION_LABEL: application_label(application.spec.name),
        APPLICATION_UID_LABEL: application.metadata.uid,
    }
    return found if process_type is None else {**found, PROCESS_LABEL: process_type}


def service_account(application: Application, *, owned: bool) -> dict[str, Any]:
    """Return the application's own ServiceAccount, which gets no token and no rights."""
    return {
        "metadata": metadata(application, workload_name(application.spec.name), owned=owned),
        "automountServiceAccountToken": False,
    }


def network_policy(application: Application, *, owned: bool) -> dict[str, Any]:
    """Return what the application's Pods may reach: everything but Polyfleet's own processes."""
    others = {
        "matchExpressions": [
            {"key": "app.kubernetes.io/part-of", "operator": "NotIn", "values": ["polyfleet"]}
        ]
    }
    return {
        "metadata": metadata(application, workload_name(application.spec.name), owned=owned),
        "spec": {
            "podSelector": {"matchLabels": selector(application)},
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [
                        {"namespaceSelector": {}, "podSelector": others},
                        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [_METADATA_SERVICE]}},
                        {"ipBlock": {"cidr": "::/0"}},
                    ]
                }
            ],
        },
    }


def service(application: Application, process_type: str, *, owned: bool) -> dict[str, Any]:
    """Return the Service that leads port 80 to a process type."""
    return {
        "metadata": metadata(application, workload_name(application.spec.name), owned=owned),
        "spec": {
            "selector": selector(application, process_type),
            "ports": [{"name": HTTP, "port": 80, "protocol": "TCP", "targetPort": HTTP}],
        },
    }


def ingress(
    application: Application, host: str, *, owned: bool, ingress_class: str | None = None
) -> dict[str, Any]:
    """Return the Ingress that leads a host name to the application's Service."""
    name = application.spec.name
    backend = {"service": {"name": workload_name(name), "port": {"name": HTTP}}}
    spec: dict[str, Any] = {
        "rules": [
            {
                "host": host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ]
    }
    if ingress_class is not None:
        spec["ingressClassName"] = ingress_class
    return {"metadata": metadata(application, ingress_name(name, host), owned=owned), "spec": spec}


def deployment(running: Running, process_type: str, replicas: int) -> dict[str, Any]:
    """Return the Deployment of a process type."""
    application, limits = running.application, running.limits
    labels = {PROCESS_LABEL: process_type, RELEASE_LABEL: f"v{running.release.spec.version}"}
    meta = metadata(
        application,
        workload_name(application.spec.name, process_type),
        owned=running.same_namespace,
        labels=labels,
    )
    checks = probes(running.values, process_type, running.routed)
    return {
        "metadata": meta,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": limits.deadline + limits.settle,
            # Without a probe a container is ready as soon as it runs, also if it ends at once.
            "minReadySeconds": 0 if checks else limits.settle,
            "selector": {"matchLabels": selector(application, process_type)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"},
            },
            "template": {
                "metadata": {"labels": meta["labels"]},
                "spec": pod_spec(running, process_type, checks),
            },
        },
    }


def pod_spec(
    running: Running, process_type: str, checks: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the spec of a Pod of a process type: without a token, and without privileges.

    It is not forced to run as another user than root, as most images could not; see
    docs/workloads.md.
    """
    config = running.release.spec.config
    container: dict[str, Any] = {
        "name": process_type,
        "image": running.build.spec.image,
        "env": variables(running),
        "resources": resources(config, process_type),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        **(checks or {}),
    }
    line = command(running.build, process_type)
    if line is not None:
        container["command"] = line
    if process_type == running.routed:
        number = port(running.values)
        container["ports"] = [{"name": HTTP, "containerPort": number, "protocol": "TCP"}]
    spec: dict[str, Any] = {
        "serviceAccountName": workload_name(running.application.spec.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": running.limits.grace,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    if config.tags:
        spec["nodeSelector"] = dict(config.tags)
    return spec


def variables(running: Running) -> list[dict[str, Any]]:
    """Return a container's variables: the user's from the Secret, which win, and ours."""
    name, release = running.application.spec.name, running.release
    ours = {
        "DEIS_APP": name,
        "DEIS_RELEASE": f"v{release.spec.version}",
        PORT: str(port(running.values)),
    }
    secret = release.spec.config.secret_name or config_secret_name(name, release.spec.config.uuid)
    theirs = set(running.values.names)
    return [
        *({"name": key, "value": text} for key, text in ours.items() if key not in theirs),
        *(
            {
                "name": key,
                "valueFrom": {"secretKeyRef": {"name": secret, "key": f"{VARIABLE_PREFIX}{key}"}},
            }
            for key in running.values.names
        ),
    ]
