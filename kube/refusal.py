"""What a change of several steps ends with when something stands in its way."""


class Refused(Exception):  # noqa: N818  named as the condition that it is
    """The change was refused and nothing of it counts; the text says what stands in the way."""
