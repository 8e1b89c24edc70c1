"""By which names this machine is asked. Pure.

Without keys whoever is on this machine is let in, and so is a browser on it, whatever page it
shows. A page may only ask the place that it came from, by that place's name; but whoever owns the
name can have it lead to 127.0.0.1 a moment later (DNS rebinding). What he cannot change is the name
that the browser then says.
"""

from functools import lru_cache

from serving.addresses import is_loopback
from serving.errors import NotAllowed


def check(host: bytes | None) -> None:
    """`host` is the header; browsers always send it. Raises NotAllowed."""
    if host is not None and not is_ours(host):
        msg = (
            f"without keys this endpoint is for its own machine, by the names localhost, 127.0.0.1 "
            f"and [::1], not {host[:128].decode('latin-1')!r}; ask by one of these, or give it "
            "keys (gateway.keys)"
        )
        raise NotAllowed(msg)


@lru_cache(maxsize=64)
def is_ours(host: bytes) -> bool:
    """Of a name or an address of loopback, with or without a port."""
    name = host.decode("latin-1").lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
        return name != "localhost" and is_loopback(name)
    return is_loopback(name.partition(":")[0])
