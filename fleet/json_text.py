"""JSON that is kept as text, because Kubernetes would change its numbers."""

import json
from typing import Any, NoReturn


def is_json(text: str) -> bool:
    """Say whether the text is JSON."""
    try:
        _read(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_object(text: str) -> bool:
    """Say whether the text is a JSON object."""
    try:
        return isinstance(_read(text), dict)
    except (ValueError, RecursionError):
        return False


def _read(text: str) -> Any:
    # Numbers of any size are JSON; nobody here wants to know which they are.
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
