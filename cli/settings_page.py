"""Writes docs/settings.md from the models of the settings (`make docs`)."""

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from polyfleet.api.settings import Settings as FacadeSettings
from polyfleet.operator.settings import Settings as OperatorSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

_PREFIX = "POLYFLEET_"
_INTRODUCTION = """# Settings

Both processes read their settings from environment variables when they start; nothing else
configures them. A wrong value ends the process with a message that names the variable. This page
is written by `make docs` from `api/settings.py`, `api/core/identity/settings.py` and
`operator/settings.py`.

Run Polyfleet in a namespace of its own. The facade keeps password hashes and signing keys in
Secrets whose names come from data, so its Role cannot name them: it may read and change every
Secret of the namespace, if it knows its name. Kubernetes cannot limit the creation of ConfigMaps
by name either.
"""
_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    (
        "Facade",
        "`POLYFLEET_ARTIFACTS_<NAME>` is read as `POLYFLEET_ARTIFACTS__<NAME>` is.",
        FacadeSettings,
    ),
    ("Operator", "Times are in seconds.", OperatorSettings),
)
_WORDS: Mapping[object, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    Path: "path",
    str: "text",
    SecretStr: "text, secret",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def rendered() -> str:
    """Return the page. Raises ValueError that names a setting without a meaning."""
    parts = [_INTRODUCTION]
    for title, note, model in _SECTIONS:
        rows = "\n".join(_rows(model, _PREFIX))
        head = "| variable | type | default | meaning |\n|---|---|---|---|"
        parts.append(f"## {title}\n\n{note}\n\n{head}\n{rows}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(rendered())


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        section = _section(field.annotation)
        if section is not None:
            yield from _rows(section, f"{variable}__")
            continue
        if not field.description:
            raise ValueError(
                f"{variable} has no meaning: {model.__name__}.{name} needs a docstring"
            )
        meaning = " ".join(field.description.split())
        kind = ", ".join([_kind(field.annotation), *_limits(field)])
        cells = (f"`{variable}`", kind, _default(field), meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _section(annotation: object) -> type[BaseModel] | None:
    for part in _alternatives(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _alternatives(annotation: object) -> tuple[object, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for part in get_args(annotation) if part is not type(None))
    return (annotation,)


def _kind(annotation: object) -> str:
    [only] = _alternatives(annotation)
    origin, arguments = get_origin(only), get_args(only)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        inner = arguments[0]
        words = f" of {_kind(inner)}" if get_origin(inner) is Literal else ""
        return f"list{words}, with commas"
    if origin is dict:
        return "JSON object"
    return _WORDS[only] if only in _WORDS else _kind(arguments[0])


def _limits(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        for name, sign in _BOUNDS.items():
            if (bound := getattr(limit, name, None)) is not None:
                yield f"{sign} {bound:g}"
        if pattern := getattr(limit, "pattern", None):
            yield f"`{pattern}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required in its section"
    if field.default_factory is not None:
        return "a new one each time"
    value: Any = field.default
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    main()
