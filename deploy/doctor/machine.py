"""Whether a machine is fit for what is to run on it.

Pure: `look` tells what there is. A number that is not vLLM's or Ray's own is told with its reason.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from deploy.doctor.finding import Finding, Verdict
from deploy.local.gpus import REMEDY
from deploy.local.head import OBJECT_STORE_BYTES
from serving.sizes import GIB, in_words

PYTHON: Final = "3.11"
"""What this distribution is for (`requires-python`)."""
RAY_KILLS_AT: Final = 0.95
"""Ray's memory monitor ends workers on a node that uses more of its memory than this."""
DISK_FULL_AT: Final = 0.95
"""Ray makes no more objects on a disk that is fuller than this."""
SHARED_PER_RANK: Final = 256 * 1024**2
"""vLLM's queue to a worker was 160 to 250 MB here; NCCL takes less."""
FEWEST_FILES: Final = 1024
"""The gateway takes 512 requests at once, each with two connections."""
ENOUGH_FILES: Final = 8192
"""Ray's own word: with fewer, connections of a large cluster fail."""


@dataclass(frozen=True, slots=True)
class Space:
    """Of a disk, or of memory that is one; bytes."""

    path: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What `look` sees."""

    name: str
    python: str
    versions: dict[str, str]
    """Of the distributions that must be the same on all nodes; one that is not there is left
    out."""
    memory_total: int
    memory_free: int
    shared_memory: Space
    disks: tuple[Space, ...]
    open_files: int | None
    """How many a process may have; None: any number."""
    ray_clusters: tuple[str, ...] = ()
    """Addresses of the heads of all that run here."""
    no_gpu: str | None = None
    """What was looked for in vain; None where there is a GPU."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What is to run, or runs, on it."""

    memory_gib: float | None = None
    """None where what needs it runs already."""
    ranks: int = 1
    own_cluster: str | None = None
    """The head's address of the Ray cluster that is ours."""
    gpus_for: tuple[str, ...] = ()
    """Models that are to have GPUs of this machine."""


@dataclass(frozen=True, slots=True)
class Port:
    """Where the gateway is to listen."""

    host: str
    number: int
    holder: str | None = None
    """Who listens there; None for nobody."""
    ours: bool = field(default=False, kw_only=True)


def of_machine(machine: Machine, needs: Needs) -> Iterator[Finding]:
    """Every check of one machine, in a fixed order."""
    yield _python(machine)
    yield _memory(machine, needs.memory_gib)
    if needs.gpus_for:
        yield _gpus(machine, needs.gpus_for)
    yield _shared_memory(machine, needs.ranks)
    for disk in machine.disks:
        yield _disk(machine, disk)
    yield _open_files(machine)
    yield _other_clusters(machine, needs.own_cluster)


def of_port(port: Port) -> Finding:
    if port.number == 0:
        return Finding("port", Verdict.OK, f"a free one on {port.host}")
    where = f"{port.number} on {port.host}"
    if port.holder is None:
        return Finding("port", Verdict.OK, f"{where} is free")
    if port.ours:
        return Finding("port", Verdict.OK, f"{where}: the service that runs here listens there")
    remedy = "set another as gateway.port, or 0 for a free one"
    return Finding("port", Verdict.FAIL, f"{where} is taken by {port.holder}", remedy)


def differences(machines: Sequence[Machine]) -> Iterator[Finding]:
    """Nodes of one cluster run the same code: Ray refuses another version of itself, and ranks
    of unlike engines fail in ways that tell nothing."""
    if len(machines) < 2:
        return
    names = sorted({name for machine in machines for name in machine.versions})
    unlike = [name for name in names if len(_by_version(machines, name)) > 1]
    for name in unlike:
        seen = "; ".join(
            f"{version} on {', '.join(nodes)}"
            for version, nodes in _by_version(machines, name).items()
        )
        yield Finding("versions", Verdict.FAIL, f"{name}: {seen}", "install the same on all nodes")
    if not unlike:
        first = ", ".join(f"{name} {text}" for name, text in machines[0].versions.items())
        yield Finding("versions", Verdict.OK, f"the same on {len(machines)} nodes: {first}")


def _by_version(machines: Iterable[Machine], name: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for machine in machines:
        found[machine.versions.get(name, "none")].append(machine.name)
    return found


def _python(machine: Machine) -> Finding:
    fits = machine.python.startswith(f"{PYTHON}.")
    remedy = None if fits else f"run it with Python {PYTHON}"
    return _finding("python", machine, fits, machine.python, remedy)


def _memory(machine: Machine, needed_gib: float | None) -> Finding:
    free, total = machine.memory_free, machine.memory_total
    seen = f"{in_words(free)} of {in_words(total)} are free"
    if free < (1 - RAY_KILLS_AT) * total:
        full = f"end something: Ray ends workers where more than {RAY_KILLS_AT:.0%} is in use"
        return _finding("memory", machine, False, seen, full)
    if needed_gib is None:
        return _finding("memory", machine, True, seen)
    needed = needed_gib * GIB
    enough = needed <= free
    remedy = None if enough else "serve fewer models or replicas"
    return _finding("memory", machine, enough, f"{seen}, {in_words(needed)} are needed", remedy)


def _gpus(machine: Machine, models: tuple[str, ...]) -> Finding:
    wanted = f"wanted by {', '.join(models)}"
    if machine.no_gpu is None:
        return _finding("gpus", machine, True, f"there; {wanted}")
    return _finding("gpus", machine, False, f"none ({machine.no_gpu}); {wanted}", REMEDY)


def _shared_memory(machine: Machine, ranks: int) -> Finding:
    space = machine.shared_memory
    needed = OBJECT_STORE_BYTES + ranks * SHARED_PER_RANK
    seen = f"{space.path}: {in_words(space.free)} of {in_words(space.total)} are free"
    remedy = (
        f"{in_words(needed)} are needed; a container has 64 MiB unless it is told (`--shm-size`)"
    )
    if space.free < OBJECT_STORE_BYTES:
        return _finding("shared memory", machine, False, seen, remedy)
    if space.free < needed:
        return Finding("shared memory", Verdict.WARN, seen, remedy, machine.name)
    return _finding("shared memory", machine, True, seen)


def _disk(machine: Machine, disk: Space) -> Finding:
    seen = f"{disk.path}: {in_words(disk.free)} of {in_words(disk.total)} are free"
    enough = disk.free >= (1 - DISK_FULL_AT) * disk.total
    remedy = None if enough else f"make room: Ray stops where more than {DISK_FULL_AT:.0%} is used"
    return _finding("disk", machine, enough, seen, remedy)


def _open_files(machine: Machine) -> Finding:
    most = machine.open_files
    if most is None or most >= ENOUGH_FILES:
        return _finding("open files", machine, True, f"{most or 'any number'} for a process")
    verdict = Verdict.FAIL if most < FEWEST_FILES else Verdict.WARN
    seen = f"{most} for a process"
    return Finding("open files", verdict, seen, f"`ulimit -n {ENOUGH_FILES}`", machine.name)


def _other_clusters(machine: Machine, own: str | None) -> Finding:
    others = [address for address in machine.ray_clusters if address != own]
    if not others:
        return _finding("ray clusters", machine, True, "no other than ours")
    remedy = "ours has ports of its own, so that it may stay; it takes memory and cores"
    seen = f"others: {', '.join(others)}"
    return Finding("ray clusters", Verdict.WARN, seen, remedy, machine.name)


def _finding(
    check: str, machine: Machine, fine: bool, seen: str, remedy: str | None = None
) -> Finding:
    return Finding(check, Verdict.OK if fine else Verdict.FAIL, seen, remedy, machine.name)
