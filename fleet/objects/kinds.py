"""The kinds that are cached, and how each is read."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.claim import Claim
from polyfleet.fleet.objects.command import Command
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.domain import Domain
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.key import Key
from polyfleet.fleet.objects.metadata import APPLICATION_UID_LABEL, GROUP, VERSION
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.fleet.objects.workload import (
    Autoscaler,
    Deployment,
    GivenConfig,
    Ingress,
    Pod,
    Service,
)

AnyObject = (
    Application
    | Device
    | DeviceGroup
    | Package
    | Rollout
    | Enrollment
    | Command
    | User
    | AccessToken
    | Claim
    | Build
    | Release
    | Domain
    | Key
    | Deployment
    | Pod
    | Service
    | Ingress
    | Autoscaler
    | GivenConfig
)
Object = TypeVar("Object", bound=AnyObject)


@dataclass(frozen=True)
class Kind(Generic[Object]):
    """A kind of resource: its names on the API server and the view it is read into.

    The selectors say which of its objects are listed and watched; all of them if empty.
    """

    name: str
    plural: str
    view: type[Object]
    api_version: str = f"{GROUP}/{VERSION}"
    label_selector: str = ""
    field_selector: str = ""


APPLICATIONS = Kind("Application", "applications", Application)
DEVICES = Kind("Device", "devices", Device)
GROUPS = Kind("DeviceGroup", "devicegroups", DeviceGroup)
PACKAGES = Kind("Package", "packages", Package)
ROLLOUTS = Kind("Rollout", "rollouts", Rollout)
ENROLLMENTS = Kind("Enrollment", "enrollments", Enrollment)
COMMANDS = Kind("Command", "commands", Command)
USERS = Kind("User", "users", User)
ACCESS_TOKENS = Kind("AccessToken", "accesstokens", AccessToken)
CLAIMS = Kind("Claim", "claims", Claim)
BUILDS = Kind("Build", "builds", Build)
RELEASES = Kind("Release", "releases", Release)
DOMAINS = Kind("Domain", "domains", Domain)
KEYS = Kind("Key", "keys", Key)

DEPLOYMENTS = Kind("Deployment", "deployments", Deployment, "apps/v1", APPLICATION_UID_LABEL)
PODS = Kind("Pod", "pods", Pod, "v1", APPLICATION_UID_LABEL)
SERVICES = Kind("Service", "services", Service, "v1", APPLICATION_UID_LABEL)
INGRESSES = Kind("Ingress", "ingresses", Ingress, "networking.k8s.io/v1", APPLICATION_UID_LABEL)
AUTOSCALERS = Kind(
    "HorizontalPodAutoscaler", "horizontalpodautoscalers", Autoscaler, "autoscaling/v2"
)
# What kubectl makes of `kind: Secret` without a type; our own have other types.
GIVEN_CONFIGS = Kind("Secret", "secrets", GivenConfig, "v1", "", "type=Opaque")
WORKLOAD_KINDS = (DEPLOYMENTS, PODS, SERVICES, INGRESSES, AUTOSCALERS)
"""What is watched in the namespace of the workloads."""
