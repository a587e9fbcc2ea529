"""RDFM's update policies: what a group wants its devices to run."""

from typing import Literal, NamedTuple

PolicyName = Literal["no_update", "exact_match"]


class InvalidPolicy(ValueError):  # noqa: N818  named as the rule it states
    """A policy text that is neither of the two forms."""


class Policy(NamedTuple):
    """A policy; `version` is set exactly when the policy names one."""

    name: PolicyName
    version: str | None = None


NO_UPDATE = Policy("no_update")


def parse(text: str) -> Policy:
    """Read a policy text; InvalidPolicy says what is allowed."""
    name, separator, argument = text.partition(",")
    if separator and name == "no_update" and not argument:
        return NO_UPDATE
    if separator and name == "exact_match" and argument:
        return Policy("exact_match", argument)
    raise InvalidPolicy("a policy is 'no_update,' or 'exact_match,<version>'")
