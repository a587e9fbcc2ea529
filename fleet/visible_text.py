"""Texts that end up in terminals, where control characters could show what is not there."""

# Unicode has a picture of each of the first 32, and of the one that deletes.
_PICTURES = dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_PICTURES |= {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}


def visible(text: str) -> str:
    """Return the text with a picture in place of each control character."""
    return text if text.isprintable() else text.translate(_PICTURES)


def has_controls(text: str) -> bool:
    """Say whether there are control characters in the text."""
    return visible(text) != text
