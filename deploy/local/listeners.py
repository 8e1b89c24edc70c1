"""Who of ours listens beyond loopback, and why."""

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil

SERVE_REPLICA: Final = "ray::ServeReplica"
REPLICA_GRPC: Final = "Ray Serve's, with Ray's token"
GATEWAY: Final = "as gateway.host says, with a key"


@dataclass(frozen=True, slots=True)
class Listener:
    process: str
    pid: int
    host: str
    port: int

    @property
    def is_wide(self) -> bool:
        address = ipaddress.ip_address(self.host)
        mapped = getattr(address, "ipv4_mapped", None)
        return not (mapped or address).is_loopback


def reason(listener: Listener, *, gateway_port: int) -> str | None:
    """None for one that should not be."""
    if listener.port == gateway_port:
        return GATEWAY
    return REPLICA_GRPC if listener.process.startswith(SERVE_REPLICA) else None


def listeners(processes: Iterable[psutil.Process]) -> list[Listener]:
    """All of them, TCP."""
    return [found for process in processes for found in _of(process)]


def _of(process: psutil.Process) -> list[Listener]:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        name = " ".join(process.cmdline()).strip() or process.name()
        return [
            Listener(name, process.pid, each.laddr.ip, each.laddr.port)
            for each in process.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        ]
    return []
