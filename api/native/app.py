"""Polyfleet's own routes: what no dialect has a word for."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from starlette.types import ASGIApp

from polyfleet.api.core.documentation import amend, documented
from polyfleet.api.core.facade import Facade
from polyfleet.api.native import errors
from polyfleet.api.native.decisions import explain, find_by_flat_id, find_in_application
from polyfleet.api.native.rollouts import plan_of
from polyfleet.api.native.schemas import ErrorBody, Explanation, RolloutPlan, WhatIf, Whoami
from polyfleet.fleet.rights import Principal

PREFIXES = ("/polyfleet/v1",)

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (401, 429, 503)
}
_DECISION_ERRORS = _ERRORS | {status: {"model": ErrorBody} for status in (400, 404)}
_PLAN_ERRORS = _DECISION_ERRORS | {409: {"model": ErrorBody}}
_NEVER_ANSWERED = "422"
"""What the framework promises for parameters at fault; here that is 400."""
_ID = Path(max_length=1100, description="The device's id, or the uid of its Device object.")


def create_dialect(facade: Facade) -> ASGIApp:
    """Return the application of the native routes."""
    application = documented(title="Polyfleet", version="v1", url="/polyfleet/v1/openapi.json")
    errors.register(application)

    async def authenticate(request: Request) -> Principal:
        return await facade.identity.authenticate_management(request.headers)

    caller = Depends(authenticate)

    @application.get("/polyfleet/v1/whoami", responses=_ERRORS)
    async def whoami(principal: Annotated[Principal, caller]) -> Whoami:
        """Say who the caller is."""
        return Whoami(
            kind=principal.kind,
            name=principal.name,
            administrator=principal.administrator,
            scopes=sorted(principal.scopes),
            source=principal.source,
        )

    @application.get("/polyfleet/v1/devices/{device_id:path}/decision", responses=_DECISION_ERRORS)
    async def decision(
        principal: Annotated[Principal, caller],
        device_id: Annotated[str, _ID],
        what_if: Annotated[WhatIf, Query()],
    ) -> Explanation:
        """Say what a device gets now, and why."""
        device = find_by_flat_id(facade, principal, device_id)
        return explain(facade, device, what_if)

    @application.get(
        "/polyfleet/v1/applications/{application_name}/devices/{device_id:path}/decision",
        responses=_DECISION_ERRORS,
    )
    async def decision_in_application(
        principal: Annotated[Principal, caller],
        application_name: Annotated[str, Path(max_length=253)],
        device_id: Annotated[str, _ID],
        what_if: Annotated[WhatIf, Query()],
    ) -> Explanation:
        """Say what a device of an application gets now, and why."""
        device = find_in_application(facade, principal, application_name, device_id)
        return explain(facade, device, what_if)

    @application.get("/polyfleet/v1/rollouts/{name}/plan", responses=_PLAN_ERRORS)
    async def plan(
        principal: Annotated[Principal, caller],
        name: Annotated[str, Path(max_length=253, description="The Rollout object's name.")],
    ) -> RolloutPlan:
        """Say what a rollout has done, and whom its next step would come to."""
        return await plan_of(facade, principal, name)

    amend(application, _correct)
    return application


def _correct(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop(_NEVER_ANSWERED, None)
