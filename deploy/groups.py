"""`gpus`: groups of like nodes, which only a deployment knows, and how they reach each other."""

from typing import Annotated, Final

from pydantic import Field, model_validator

from deploy.allowed import Words
from serving.config import Section
from serving.layout.gpus import KINDS

_KINDS: Final = f"cpu, {', '.join(KINDS)}, or the model and memory of another GPU"


class NetworkSpec(Section):
    """How the nodes of a group reach each other."""

    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,64}$")] | None = None
    """The network interface by which ranks find each other: `eth0`."""
    rdma: tuple[str, ...] = Field(default=(), strict=False)
    """RDMA devices that carry the data between nodes: `mlx5_0`."""
    nccl: dict[str, str] = Field(default={})
    """More of NCCL's variables, by its own names: `NCCL_IB_GID_INDEX: "3"`."""

    @model_validator(mode="after")
    def _only_nccl(self) -> "NetworkSpec":
        if others := sorted(name for name in self.nccl if not name.startswith("NCCL_")):
            msg = (
                f"nccl sets {', '.join(others)}; allowed: NCCL_..., others belong to a model's env"
            )
            raise ValueError(msg)
        return self

    @property
    def environment(self) -> dict[str, str]:
        """As gloo and NCCL read it; for NCCL a bare name is a prefix, and `=` makes it exact."""
        found: dict[str, str] = {}
        if self.interface:
            found |= {
                "GLOO_SOCKET_IFNAME": self.interface,
                "NCCL_SOCKET_IFNAME": f"={self.interface}",
            }
        if self.rdma:
            found["NCCL_IB_HCA"] = f"={','.join(self.rdma)}"
        return found | self.nccl


class GpuSpec(Section):
    """A group of like nodes."""

    kind: Annotated[str, Field(pattern=r"^(cpu|[a-z0-9]+-\d+g)$"), Words(_KINDS)]
    """`cpu`, or a GPU's model and memory: `h100-80g`. Of one that is not listed its memory, in GB,
    is all that is known: a replica has one, or as many as its `layout` says, and what does not fit
    into that memory is refused."""
    per_node: Annotated[int, Field(ge=1)] = 1
    """GPUs of a node; of `cpu`, the cores that replicas may take."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """How many such nodes there are."""
    node_selector: dict[str, str] = Field(default={})
    """Labels by which Kubernetes finds them."""
    labels: dict[str, str] = Field(default={})
    """Labels by which Ray finds them (`ray start --labels`), where the kind of GPU does not tell
    them from others."""
    network: NetworkSpec = NetworkSpec()
    """How they reach each other."""

    @property
    def is_cpu(self) -> bool:
        return self.kind == "cpu"

    @property
    def ranks(self) -> int:
        """That all of its nodes have room for."""
        return self.per_node * self.nodes
