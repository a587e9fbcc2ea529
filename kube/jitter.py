"""Chance in pauses: without it, many that waited for one thing would go on at the same moment."""

import random

# Not the generator that all share: who seeds that one, as tests do, expects nobody else to use it.
_random = random.SystemRandom()


def between(least: float, most: float) -> float:
    """Return some number of seconds from `least` to `most`."""
    return _random.uniform(least, most)
