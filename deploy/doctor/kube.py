"""What there is of a Kubernetes cluster, and what the values ask of it: plain facts.

`kube_look` fills the one, `kube_wants` the other, `kube_checks` and `kube_things` decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Taint = tuple[str, str, str]
"""Key, value, effect."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    ready: bool = True
    cordoned: bool = False
    pressures: tuple[str, ...] = ()
    """Conditions such as DiskPressure that hold."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    gpus: int = 0
    """That pods may have."""
    disk: int = 0
    """Bytes that pods may have of its disk."""
    behind_s: float | None = None
    """How long ago it renewed its lease, by its own clock; None where that cannot be seen."""


@dataclass(frozen=True, slots=True)
class Operator:
    """KubeRay's."""

    namespace: str
    image: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Pod:
    """One that does not run as it should."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Secret:
    kind: str
    entries: frozenset[str]


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """What is not there is empty; of what may not be seen, `unseen` says why."""

    version: str
    definitions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of custom resources, with the versions that are served."""
    operators: tuple[Operator, ...] = ()
    nodes: tuple[Node, ...] = ()
    classes: Mapping[str, bool] = field(default_factory=dict)
    """Storage classes, and whether each is the default."""
    daemons: frozenset[str] = frozenset()
    """Daemon sets of all namespaces: the network's plug-in is one of them."""
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    """Of the release's namespace."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """Claims of volumes there, and their phase."""
    pods: tuple[Pod, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Of like nodes, as the values have it."""

    name: str
    selector: Mapping[str, str]
    nodes: int
    gpus: int
    """Of each node; 0 for a group of `cpu`."""
    tolerated: tuple[Taint, ...] = ()
    """Empty texts stand for any."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What the values ask of a cluster."""

    groups: tuple[Group, ...]
    operator: str | None = None
    """Its namespace, where policies let only that one in."""
    monitoring: bool = False
    policies: bool = False
    classes: tuple[str | None, ...] = ()
    """Storage classes of claims to come; None for the default."""
    claims: tuple[str, ...] = ()
    """Claims that must be there."""
    secrets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Secrets that must be there, with their entries."""
    keys: str | None = None
    """Of these, the one of keys."""
    pull_secrets: tuple[str, ...] = ()
