"""The OpenAPI document of a dialect, which the framework writes: what all dialects say alike."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Lifespan

from polyfleet.api.core.routing import Route

Responses = dict[int | str, dict[str, Any]]

_FIRST_ERROR = 400
_REFERENCE = "#/components/schemas/{model}"
_JSON = ("application/json",)


def documented(
    *,
    title: str,
    version: str,
    url: str,
    description: str = "",
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Return an application that shows its document at `url`, and no other pages of its own."""
    return FastAPI(
        title=title,
        version=version,
        description=description,
        openapi_url=url,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )


def describe(
    application: FastAPI,
    route: Route,
    responses: Responses,
    extra: dict[str, Any],
    *,
    status: int = 200,
) -> None:
    """Add the route to the document; `status` is that of success."""
    application.add_api_route(
        route.shown,
        route.endpoint,
        methods=[route.method],
        summary=route.summary,
        name=f"{route.method.lower()} {route.path}",
        status_code=status,
        response_class=Response,
        response_model=None,
        responses=responses,
        openapi_extra=extra,
    )


def responses_of(statuses: Iterable[int], words: Mapping[int, str], error: Any) -> Responses:
    """Return what the document says of statuses: a dialect's words, and the form of its errors."""
    return {
        status: {"description": words[status]}
        | ({"model": error} if status >= _FIRST_ERROR else {})
        for status in sorted(statuses)
    }


def parameter(name: str, place: str, *, required: bool) -> dict[str, Any]:
    """Return what the document says of a text in the path or the query."""
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def parameters(path: str, query: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the parameters in a route's path, and those that its query may have."""
    return [
        *(parameter(name, "path", required=True) for name in re.findall(r"{(\w+)", path)),
        *(parameter(name, "query", required=False) for name in query),
    ]


def body_of(
    schema: Mapping[str, Any], *, required: bool = True, media_types: Iterable[str] = _JSON
) -> dict[str, Any]:
    """Return what the document says of a request's body."""
    return {"required": required, "content": {kind: {"schema": schema} for kind in media_types}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a body; its parts are where `name_parts` puts them."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    schema.pop("$defs", None)
    return schema


def amend(application: FastAPI, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` have the last word on the document."""
    describe_all = application.openapi

    def described() -> dict[str, Any]:
        document = describe_all()
        change(document)
        return document

    application.openapi = described  # type: ignore[method-assign]


def name_parts(application: FastAPI, bodies: Iterable[type[BaseModel]]) -> None:
    """Add to the document the schemas that those bodies refer to: the framework sees none of it."""
    parts: dict[str, Any] = {}
    for body in bodies:
        parts |= body.model_json_schema(ref_template=_REFERENCE).get("$defs", {})

    def change(document: dict[str, Any]) -> None:
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= parts | schemas

    amend(application, change)


def name_credentials(application: FastAPI, schemes: Mapping[str, Any]) -> None:
    """Say in the document which kinds of credentials there are."""

    def change(document: dict[str, Any]) -> None:
        document.setdefault("components", {})["securitySchemes"] = dict(schemes)

    amend(application, change)
