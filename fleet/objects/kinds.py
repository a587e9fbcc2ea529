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
from polyfleet.fleet.objects.metadata import GROUP, VERSION
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.objects.user import AccessToken, User

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
)
Object = TypeVar("Object", bound=AnyObject)


@dataclass(frozen=True)
class Kind(Generic[Object]):
    """A kind of custom resource: its names on the API server and the view it is read into."""

    name: str
    plural: str
    view: type[Object]

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{GROUP}/{VERSION}"


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
