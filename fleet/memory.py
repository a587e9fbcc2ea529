"""Remembering answers, however long what devices and people tell is."""

from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

LONGEST = 256
"""Bytes of all that is told: versions, types, serials and the like are far shorter together."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def remembering(
    told: Callable[Given, Iterable[str | bytes | None]], most: int
) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """Have a pure function remember so many of its latest answers.

    An answer that depends on long texts is not: they could fill the memory. `told` returns the
    texts among the arguments that whoever asks chooses.
    """

    def decorate(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        remembered: Callable[..., Answer] = lru_cache(maxsize=most)(function)

        @wraps(function)
        def answer(*given: Given.args, **named: Given.kwargs) -> Answer:
            long = is_long(told(*given, **named))
            return (function if long else remembered)(*given, **named)

        return answer

    return decorate


def is_long(texts: Iterable[str | bytes | None]) -> bool:
    """Say whether the texts take more bytes together than is remembered."""
    size = sum(len(text) * (1 if text.isascii() else 4) for text in texts if text)
    return size > LONGEST
