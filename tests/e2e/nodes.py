"""Nodes on one machine that nothing but networks joins.

Each node is a tree of processes in namespaces of its own (net, mount, IPC, UTS, PID), with its own
`/dev/shm` and its own disk for Ray. Two bridges join them, in a further namespace: `eth0`, on which
Ray speaks and this machine listens in, and `eth1` for the ranks of an engine, as in a cluster whose
GPUs have a network of their own. A node is killed by killing its first process, and its cable is
pulled by taking its port of the bridge down.

Without its own PID namespace a node's engine takes the raylet of another for its own; without its
own `/dev/shm` two nodes would talk through memory; without a default route no library finds its
address.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

RAY: Final = "eth0"
RANKS: Final = "eth1"
_TOOLS: Final = ("ip", "nsenter", "setpriv", "unshare")
_OWN: Final = ("--net", "--mount", "--ipc", "--uts", "--pid")
_WAIT: Final = "echo ready; while :; do sleep 3600 & wait; done"
_NODE: Final = """
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs "$DISK"
hostname "$NAME"
ip link set lo up
"""
_TRIAL: Final = "ip link add bridge0 type bridge && ip link add port0 type veth peer name port1"


def why_not() -> str | None:
    """Why no nodes can be made here."""
    if os.geteuid() != 0:
        return "namespaces need root"
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"namespaces need {', '.join(missing)}"
    trial = ("unshare", *_OWN, "--fork", "sh", "-ec", _TRIAL)
    tried = subprocess.run(trial, capture_output=True, text=True, check=False)
    return f"namespaces cannot be made: {tried.stderr}" if tried.returncode else None


class Space:
    """Namespaces, kept by a first process; whatever runs in them ends with it, and it with us."""

    def __init__(self, own: Sequence[str], script: str, env: Mapping[str, str]) -> None:
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", *own, "--fork", "--kill-child=KILL",
             "sh", "-ec", script + _WAIT],
            stdout=subprocess.PIPE, text=True, env={**os.environ, **env},
        )  # fmt: skip
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        self.pid = psutil.Process(self._keeper.pid).children()[0].pid

    def ip(self, *words: str) -> None:
        """What `ip` does here."""
        ip("nsenter", "--target", str(self.pid), "--net", "ip", *words)

    def end(self) -> None:
        """Returns when nothing runs in them any more."""
        # The first process may have been killed already, and its keeper not have seen it yet.
        with self._keeper, suppress(ProcessLookupError):
            if self._keeper.poll() is None:
                os.kill(self.pid, signal.SIGKILL)


def ip(*command: str) -> None:
    subprocess.run(command, check=True, timeout=30)


class Switch:
    """The networks. `198.18.0.0/15` is for tests of networks (RFC 2544), so nobody's. This machine
    is the last address of the first one."""

    def __init__(self) -> None:
        self._third = os.getpid() % 256
        self.space = Space(("--net", "--pid"), "", {})
        for number, nic in enumerate((RAY, RANKS)):
            # Else it has the lowest one of its ports, and another as nodes come and go, while
            # those who knew the last one reach nobody.
            address = ("address", f"02:62:66:00:01:{number:02x}")
            self.space.ip("link", "add", f"{nic}-bridge", *address, "type", "bridge")
            self.space.ip("link", "set", f"{nic}-bridge", "up")
        self.space.ip("addr", "add", f"{self.address(RAY, 253)}/24", "dev", f"{RAY}-bridge")
        self._join_this_machine()

    def _join_this_machine(self) -> None:
        ours = f"bifocal{self._third}"
        end = ("peer", "name", ours, "netns", str(os.getpid()))
        self.space.ip("link", "add", "uplink", "type", "veth", *end)
        self.space.ip("link", "set", "uplink", "master", f"{RAY}-bridge", "up")
        ip("ip", "addr", "add", f"{self.address(RAY, 254)}/24", "dev", ours)
        ip("ip", "link", "set", ours, "up")

    def address(self, nic: str, number: int) -> str:
        return f"198.{18 if nic == RAY else 19}.{self._third}.{number}"

    def join(self, node: "Node") -> None:
        for nic in (RAY, RANKS):
            port = f"{nic}-{node.number}"
            end = ("peer", "name", nic, "netns", str(node.space.pid))
            self.space.ip("link", "add", port, "type", "veth", *end)
            self.space.ip("link", "set", port, "master", f"{nic}-bridge", "up")
            node.space.ip("addr", "add", f"{self.address(nic, node.number)}/24", "dev", nic)
            node.space.ip("link", "set", nic, "up")
        node.space.ip("route", "add", "default", "via", self.address(RAY, 253))

    def part(self, node: "Node") -> None:
        """The system takes the cables of a node that is gone, but when it likes."""
        for nic in (RAY, RANKS):
            with suppress(subprocess.CalledProcessError):
                self.space.ip("link", "del", f"{nic}-{node.number}")

    def cable(self, node: "Node", nic: str, *, plugged: bool) -> None:
        self.space.ip("link", "set", f"{nic}-{node.number}", "up" if plugged else "down")


class Node:
    """On again after it was killed, it has its name and its addresses, and an empty disk."""

    def __init__(self, switch: Switch, number: int, disk: Path, name: str | None = None) -> None:
        self._switch = switch
        self._disk = disk
        self.number = number
        self.name = name or f"node-{number}"
        self.address = switch.address(RAY, number)
        self.power_on()

    def power_on(self) -> None:
        self.space = Space(
            (*_OWN, "--mount-proc"), _NODE, {"DISK": str(self._disk), "NAME": self.name}
        )
        self._switch.join(self)

    @property
    def is_on(self) -> bool:
        there: bool = psutil.pid_exists(self.space.pid)
        return there

    def kill(self) -> None:
        """At once, with all that runs on it."""
        self.end()
        self._switch.part(self)

    def end(self) -> None:
        self.space.end()

    def command(self, *words: str) -> list[str]:
        """The same, run on this node."""
        return ["nsenter", "--target", str(self.space.pid), *_OWN, *words]

    def processes(self, *titles: str) -> list[psutil.Process]:
        """Those of it whose command line begins so, by this machine's ids."""
        here = _namespace(self.space.pid)
        return [
            each
            for each in psutil.process_iter(["cmdline"])
            if " ".join(each.info["cmdline"] or ()).startswith(titles)
            and _namespace(each.pid) == here
        ]

    def bytes_sent(self, nic: str) -> int:
        lines = Path(f"/proc/{self.space.pid}/net/dev").read_text().splitlines()
        return next(int(line.split()[9]) for line in lines if line.strip().startswith(f"{nic}:"))

    def file(self, path: Path) -> Path:
        """One of its disk, as this machine sees it."""
        return Path(f"/proc/{self.space.pid}/root{path}")


def _namespace(pid: int) -> str | None:
    """Of its process ids; None where it has ended, or is nobody's to look into."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
