"""Free TCP ports on the loopback address."""

import random
import socket

# Below the range from which Linux takes the local ports of outgoing connections, so that
# between the look and the use nobody gets one by chance.
_FIRST, _LAST = 20_000, 29_999
_random = random.SystemRandom()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    while True:
        port = _random.randint(_FIRST, _LAST)
        if is_free(port):
            return port


def next_free_port(wanted: int) -> int:
    """Return `wanted` or the next higher port that nobody listens on."""
    port = wanted
    while not is_free(port):
        port += 1
    return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as candidate:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
