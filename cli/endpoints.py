"""Makes the Devices of simulated endpoints: nothing but the API server can give them tokens."""

import asyncio
from contextlib import suppress

from polyfleet.api.core.identity.endpoint_tokens import digest
from polyfleet.cli.cluster import open_client
from polyfleet.fleet.attributes import TYPE_KEY
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL
from polyfleet.kube.errors import AlreadyExists
from polyfleet.kube.writer import Writer
from polyfleet.simulator.dialects.otao import endpoint_token
from polyfleet.simulator.machine import Machine
from polyfleet.simulator.simulation import Plan, machines_of

_AT_ONCE = 8


async def register_endpoints(plan: Plan, namespace: str | None) -> None:
    """Make the plan's devices of Kaa that are not there yet. Raises ApiError."""
    slots = asyncio.Semaphore(_AT_ONCE)
    labels = {APPLICATION_LABEL: application_label(plan.home)}
    async with open_client(namespace) as client:
        writer = Writer(client, None)

        async def register(machine: Machine) -> None:
            # Kaa's devices have no word for their type, so people declare what they take it for.
            told = machine.told().device_type
            spec = {
                "application": plan.home,
                "deviceId": machine.identifier,
                "attributes": [{"name": TYPE_KEY, "value": {"string": told}}],
                "endpointTokenHashes": [digest(endpoint_token(machine.identifier))],
            }
            name = object_name("Device", plan.home, machine.identifier)
            async with slots:
                with suppress(AlreadyExists):
                    await writer.create(DEVICES, name, spec, labels=labels)

        endpoints = [machine for machine in machines_of(plan) if machine.dialect == "otao"]
        await asyncio.gather(*map(register, endpoints))
