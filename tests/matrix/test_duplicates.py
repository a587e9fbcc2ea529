"""A second Device of an id, which kubectl can make: it is nobody in any dialect."""

from polyfleet.fleet.names import object_name
from tests.matrix.world import APPLICATION, INVENTORY, World, done
from tests.operator.conftest import eventually


def listed(world: World, name: str) -> list[int]:
    """Return how often the id is in each dialect's list, and who has it of the two."""
    lists = {
        "mac_address": done(world.rdfm.get("/api/v1/devices")).json(),
        "id": done(world.inventory.get(f"{INVENTORY}/devices", params={"twins": name})).json(),
    }
    second = done(world.rdfm.get("/api/v2/devices")).json()
    drogue = done(world.drogue.get(f"/api/registry/v1alpha1/apps/{APPLICATION}/devices")).json()
    found = [[item for item in items if item[key] == name] for key, items in lists.items()]
    found.append([item for item in second if item["mac_address"] == name])
    found.append([item for item in drogue if item["metadata"]["name"] == name])
    return [len(items) for items in found]


def shown(world: World, name: str) -> str:
    """Return which of the two is shown by its id, by its label `which`."""
    path = f"/api/registry/v1alpha1/apps/{APPLICATION}/devices/{name}"
    return str(done(world.drogue.get(path)).json()["metadata"]["labels"]["which"])


def test_the_older_device_of_an_id_is_the_device(world: World, name: str) -> None:
    attributes = [{"name": "twins", "value": {"string": name}}]
    spec = {"application": APPLICATION, "deviceId": name, "attributes": attributes}
    # The younger one has the name that the facade itself would give it.
    older, younger = f"{name}-older", object_name("Device", APPLICATION, name)
    world.apply("Device", older, spec, which="older")
    world.cluster.adopted("Device", older)
    world.waited(lambda: world.rdfm_device(name))
    eventually(lambda: listed(world, name) == [1, 1, 1, 1], "all list it")
    world.apply(
        "Device", younger, {**spec, "createdAt": "2090-01-01T00:00:00.000000Z"}, which="younger"
    )
    world.cluster.condition("Device", younger, "Unique", "False", "DuplicateId")

    eventually(lambda: listed(world, name) == [1, 1, 1, 1], "each dialect lists one")
    assert shown(world, name) == "older"

    world.kubectl("delete", "device", older)
    world.cluster.condition("Device", younger, "Unique", "True", "OnlyOne")
    eventually(lambda: listed(world, name) == [1, 1, 1, 1], "each dialect lists the other")
    assert shown(world, name) == "younger"
