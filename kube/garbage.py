"""The cyclic garbage collector of a process that keeps very many objects for as long as it runs."""

import gc

_YOUNG = 20_000
_MIDDLE, _OLD = 20, 20


def collect_rarely() -> None:
    """Never look again at what is there now, and seldom at what comes.

    What a cache holds goes by reference counts, and what makes cycles is little; the defaults of
    Python look so often that it cost a seventh of all CPU time. For a whole process: call it when
    its modules are loaded, and again when its cache is full.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
