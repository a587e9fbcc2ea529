"""JSON that is kept as text, because Kubernetes would change its numbers."""

import msgspec


def is_json(text: str) -> bool:
    """Say whether the text is JSON."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def is_object(text: str) -> bool:
    """Say whether the text is a JSON object."""
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False
