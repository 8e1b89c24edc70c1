"""Pods' addresses, Services' addresses, and the names of both.

A bridge in a namespace of its own joins the pods and this machine, and has the addresses of the
Services on it. A Service's address is a listener there that passes each connection on to one of its
endpoints, as kube-proxy does: chosen when it is opened, kept for as long as it lasts, whatever
becomes of the endpoint's readiness. Names stand in one file that every container has as its
`/etc/hosts`, instead of a DNS server. NetworkPolicies are not enforced.
"""

import asyncio
import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

from tests.e2e.nodes import Space, ip

BRIDGE: Final = "02:62:66:00:00:01"
"""Without one of its own it takes another address whenever a pod comes or goes, and nobody who knew
the last one reaches a Service for a minute."""
CLONE_NEWNET: Final = 0x40000000
BACKLOG: Final = 512
_NODE: Final = "ip link set lo up\n"

Ends = tuple[tuple[str, int], ...]


class Network:
    """`198.18.0.0/15` is for tests of networks (RFC 2544), so nobody's."""

    def __init__(self, hosts: Path) -> None:
        self._net = f"198.19.{os.getpid() % 256}"
        self._next = itertools.count(2)
        self._pods: dict[str, str] = {}
        self._services: dict[str, str] = {}
        self.hosts = hosts
        self.hosts.write_text("127.0.0.1 localhost\n")
        self.hosts.chmod(0o644)
        self._writing = threading.Lock()
        self.space = Space(("--net", "--pid"), _NODE, {})
        self.space.ip("link", "add", "bridge", "type", "bridge")
        self.space.ip("link", "set", "bridge", "address", BRIDGE)
        self.space.ip("addr", "add", f"{self._net}.1/24", "dev", "bridge")
        self.space.ip("link", "set", "bridge", "up")
        self._ours = f"bfpods{os.getpid() % 256}"
        peer = ("peer", "name", self._ours, "netns", str(os.getpid()))
        self.space.ip("link", "add", "uplink", "type", "veth", *peer)
        self.space.ip("link", "set", "uplink", "master", "bridge", "up")
        ip("ip", "addr", "add", f"{self.outside}/24", "dev", self._ours)
        ip("ip", "link", "set", self._ours, "up")

    @property
    def outside(self) -> str:
        """This machine's own address, as pods see it."""
        return f"{self._net}.254"

    def join(self, pod: Space, name: str) -> str:
        """The pod's address. It knows itself by its name, and so do all."""
        number = next(self._next)
        address = f"{self._net}.{number}"
        self.space.ip(
            "link", "add", f"pod{number}", "type", "veth",
            "peer", "name", "eth0", "netns", str(pod.pid),
        )  # fmt: skip
        self.space.ip("link", "set", f"pod{number}", "master", "bridge", "up")
        pod.ip("link", "set", "lo", "up")
        pod.ip("addr", "add", f"{address}/24", "dev", "eth0")
        pod.ip("link", "set", "eth0", "up")
        pod.ip("route", "add", "default", "via", f"{self._net}.1")
        self._pods[name] = address
        self._write()
        return address

    def add_address(self, address: str) -> None:
        """Of a Service. Pods reach it by their default route."""
        self.space.ip("addr", "add", f"{address}/32", "dev", "bridge")

    def reach(self, address: str) -> None:
        """From this machine, too."""
        ip("ip", "route", "replace", f"{address}/32", "via", f"{self._net}.1", "dev", self._ours)

    def listener(self, address: str, port: int) -> socket.socket:
        """Opened on the bridge's side, used from here."""
        found: list[socket.socket] = []

        def opened() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/proc/{self.space.pid}/ns/net").open() as there:
                if libc.setns(there.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            sock = socket.create_server((address, port), backlog=BACKLOG)
            sock.setblocking(False)
            found.append(sock)

        # A thread has a network of its own to be in, and takes it with it.
        thread = threading.Thread(target=opened)
        thread.start()
        thread.join()
        return found[0]

    def name(self, names: Mapping[str, str]) -> None:
        """Each Service's address, by its names."""
        self._services = dict(names)
        self._write()

    def _write(self) -> None:
        """In place: containers have this very file mounted."""
        names = self._services | self._pods
        lines = "".join(f"{address} {name}\n" for name, address in names.items())
        text = f"127.0.0.1 localhost\n{lines}".encode()
        with self._writing, self.hosts.open("r+b", buffering=0) as file:
            if file.read() != text:
                file.seek(0)
                file.write(text)
                file.truncate()

    def end(self) -> None:
        self.space.end()
        subprocess.run(["ip", "link", "del", self._ours], check=False, capture_output=True)


class Half(asyncio.Protocol):
    """One of a connection's two ends; what it reads, the other one writes."""

    def __init__(self, all_open: set[asyncio.BaseTransport]) -> None:
        self._all_open = all_open
        self.other: Half | None = None
        self.transport: asyncio.Transport | None = None
        self.when_made: Callable[[], object] = lambda: None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._all_open.add(transport)
        self.when_made()

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self._early.append(data)
        else:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self._all_open.discard(self.transport)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close() if exc is None else self.other.transport.abort()

    def joined_to(self, other: "Half") -> None:
        self.other, other.other = other, self
        assert other.transport is not None
        for data in self._early:
            other.transport.write(data)
        self._early.clear()


class Forwarding:
    """All Services' ports, in a thread of its own."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._ends: dict[tuple[str, int], Ends] = {}
        self._turn = itertools.count()
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.BaseTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="services")
        self._thread.start()

    def set(self, address: str, port: int, ends: Ends) -> None:
        """Where connections to it go from now on."""
        if (address, port) not in self._ends:
            self._ends[address, port] = ends
            sock = self._network.listener(address, port)
            asyncio.run_coroutine_threadsafe(
                self._serve(sock, (address, port)), self._loop
            ).result()
        self._ends[address, port] = ends

    async def _serve(self, sock: socket.socket, key: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()

        def accepted() -> Half:
            half = Half(self._open)
            half.when_made = lambda: loop.create_task(self._join(half, key))
            return half

        self._servers.append(await loop.create_server(accepted, sock=sock))

    async def _join(self, half: Half, key: tuple[str, int]) -> None:
        ends = self._ends[key]
        if ends:
            address, port = ends[next(self._turn) % len(ends)]
            try:
                _, other = await self._loop.create_connection(
                    lambda: Half(self._open), address, port
                )
            except OSError:
                pass
            else:
                half.joined_to(other)
                return
        if half.transport is not None:
            half.transport.abort()

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for transport in list(self._open):
            cast(asyncio.Transport, transport).abort()
        # They tell their protocols in the next turn of the loop.
        await asyncio.sleep(0.05)
