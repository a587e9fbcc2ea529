"""Whom an address stands for, where limits go by address."""

from ipaddress import IPv4Address, IPv6Address, ip_address

_ONE_CUSTOMER = 64
"""Bits of an IPv6 address that are given to somebody; all others are theirs to choose."""


def source_of(address: str) -> str:
    """Return what all addresses of one network or host have in common.

    That is the first 64 bits of an IPv6 address, and an IPv4 address as it is, however it is
    written. What is no address stands for itself.
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    own = 128 - _ONE_CUSTOMER
    return f"{IPv6Address(int(found) >> own << own)}/{_ONE_CUSTOMER}"
