"""What resolve answers, and why."""

from typing import Literal

import msgspec

from polyfleet.fleet.objects.package import Package

Reason = Literal[
    "ApplicationMissing",  # the device's application is absent or being deleted
    "Disabled",
    "Pinned",  # offered: the package that the device is pinned to
    "PinMissing",  # the pinned package is absent, of another application or cannot be taken
    "PinUnsuitable",  # the pinned package is for another device type or lacks a requirement
    "Held",
    "NoGroup",
    "NoUpdatePolicy",  # the active group's policy assigns nothing
    "InvalidPolicy",
    "PolicyVersion",  # offered: the policy's version or the next step on the way there
    "TargetMissing",  # no usable package of the active group has the policy's version
    "WrongDeviceType",  # packages of that version are for other device types only
    "Unreachable",  # requirements stand between the device and the policy's version
    "UpToDate",
    "Offered",  # offered: by the package's own offer
    "Rollout",  # offered: by a rollout that has come to the device
    "Waiting",  # an offer or a rollout is for the device, but not yet
    "FailedBefore",  # rollouts are for it, but it could not install what they bring
    "NoOffer",  # something is offered in the application, but not to the device
]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Which package a device gets, if any.

    `group` is the object name of the active group where it decided; `target_version` the version
    that the device is to reach in the end; `rollout` and `rollout_uid` name and uid of the Rollout
    that decided.
    """

    package: Package | None
    reason: Reason
    group: str | None = None
    rollout: str | None = None
    rollout_uid: str | None = None
    target_version: str | None = None
