"""The table of the group routes."""

from polyfleet.api.dialects.rdfm import schemas
from polyfleet.api.dialects.rdfm.groups import GroupRoutes
from polyfleet.api.dialects.rdfm.routes import Route


def routes(groups: GroupRoutes, *, v2: bool) -> list[Route]:
    """Return the routes of one version of the API."""
    path = "/api/v2/groups" if v2 else "/api/v1/groups"
    single = f"{path}/{{identifier:serial}}"
    shape = schemas.GroupV2 if v2 else schemas.Group
    table = [
        Route(
            method="GET",
            path=path,
            endpoint=groups.list,
            summary="List groups",
            reply=list[shape],  # type: ignore[valid-type]  # a model chosen at run time
            statuses=(401, 403),
        ),
        Route(
            method="POST",
            path=path,
            endpoint=groups.create,
            summary="Make a group",
            body=schemas.NewGroup if v2 else schemas.GroupMetadata,
            reply=shape,
            statuses=(400, 401, 403),
        ),
        Route(
            method="GET",
            path=single,
            endpoint=groups.get,
            summary="Show a group",
            reply=shape,
            statuses=(401, 403, 404),
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=groups.delete,
            summary="Delete a group",
            reply=schemas.Nothing,
            statuses=(401, 403, 404, 409),
        ),
        Route(
            method="PATCH",
            path=f"{single}/devices",
            endpoint=groups.change_devices,
            summary="Change a group's devices",
            body=schemas.DeviceChanges,
            reply=schemas.Nothing,
            statuses=(400, 401, 403, 404, 409),
        ),
        Route(
            method="POST",
            path=f"{single}/package",
            endpoint=groups.assign_packages,
            summary="Assign packages to a group",
            body=schemas.PackageAssignment,
            reply=schemas.Nothing,
            statuses=(400, 401, 403, 404, 409),
        ),
        Route(
            method="POST",
            path=f"{single}/policy",
            endpoint=groups.set_policy,
            summary="Set a group's policy",
            body=schemas.Policy,
            reply=schemas.Nothing,
            statuses=(400, 401, 403, 404),
        ),
    ]
    if v2:
        table.append(
            Route(
                method="POST",
                path=f"{single}/priority",
                endpoint=groups.set_priority,
                summary="Set a group's priority",
                body=schemas.Priority,
                reply=schemas.Nothing,
                statuses=(400, 401, 403, 404, 409),
            )
        )
    return table
