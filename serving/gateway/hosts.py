"""By which names this machine is asked. Pure.

Without keys whoever is on this machine is let in, and so is a browser on it, whatever page it
shows. A page may only ask the place that it came from, by that place's name; but whoever owns the
name can have it lead to 127.0.0.1 a moment later (DNS rebinding). What he cannot change is the name
that the browser then says.
"""

import ipaddress
from functools import lru_cache

from serving.errors import NotAllowed


def check(host: bytes | None) -> None:
    """`host` is the header; browsers always send it. Raises NotAllowed."""
    if host is not None and not is_loopback(host):
        msg = (
            f"without keys this endpoint is for its own machine, by the names localhost, 127.0.0.1 "
            f"and [::1], not {host[:128].decode('latin-1')!r}; ask by one of these, or give it "
            "keys (gateway.keys)"
        )
        raise NotAllowed(msg)


@lru_cache(maxsize=64)
def is_loopback(host: bytes) -> bool:
    """Of a name or an address, with or without a port."""
    found = host.decode("latin-1").lower()
    in_brackets = found.startswith("[")
    name = found[1:].partition("]")[0] if in_brackets else found.partition(":")[0]
    if name == "localhost":
        return not in_brackets
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
