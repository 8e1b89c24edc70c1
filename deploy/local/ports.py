"""Ports of this machine: free ones, and who holds one that is not."""

import contextlib
import random
import socket

import psutil

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Distinct ports that are free now. They stay so: the system gives none of that range to
    outgoing connections (which begin at 32768), and Serve gives none to replicas (from 30000)."""
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 10_000):
        if len(found) == count:
            break
        if not is_taken(LOOPBACK, port):
            found.append(port)
    return found


def is_taken(host: str, port: int) -> bool:
    return refusal(host, port) is not None


def refusal(host: str, port: int) -> OSError | None:
    """Why binding fails, as a server's would: a port in TIME_WAIT is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def url_of(host: str, port: int) -> str:
    """An address of IPv6 stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def holder(port: int) -> str | None:
    """Process and id, where the system tells."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for each in connections:
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                return f"{psutil.Process(each.pid).name()} (process {each.pid})"
    return None
