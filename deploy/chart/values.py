"""The chart's values: the cluster file, and what only Kubernetes knows.

A cluster file is a values file: every key of it is one here, with the same meaning. What is added
stands in sections of its own, or beside the keys of a group of GPUs and of the gateway.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from deploy.chart.renamed import with_new_names
from deploy.config import Cluster
from deploy.groups import GpuSpec
from serving.config import GatewaySpec, LayoutSpec, Section

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
"""Of an object."""
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?$")]
"""As Kubernetes writes it: `500m`, `16Gi`."""
Cidr = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Digest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Registry = Annotated[str, Field(pattern=r"^([a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*/?)?$")]
"""A host and a path, without `https://`."""
RedisAddress = Annotated[str, Field(pattern=r"^rediss?://[a-zA-Z0-9.-]+:[1-9][0-9]{0,4}$")]
Argument = str | int | float | bool | dict[str, dict[str, str | int | float]]
"""Of vLLM; `hf_overrides` has an inside."""


class Toleration(Section):
    """As in a pod."""

    key: str | None = None
    """Of the taint; without it, every one."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """Whether the taint's value matters."""
    value: str | None = None
    """Of the taint, for Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Of the taint; without it, every one."""


class Upgrade(Section):
    """How a group of GPUs takes what KubeRay cannot change in place: an image, a pod's shape."""

    strategy: Literal["blueGreen", "recreate"] = "recreate"
    """`recreate` lets the running cluster finish its answers, takes it away and builds the next.
    `blueGreen` builds the next beside it, on nodes that the pools leave free. `bifocal diff` says
    before what an upgrade does, and for how long."""


class GpuValues(GpuSpec):
    """A group of like nodes, and its pods."""

    tolerations: tuple[Toleration, ...] = Field(default=(), strict=False)
    """Of its pods; GPU nodes' usual `nvidia.com/gpu` is tolerated without being named."""
    resources: dict[str, Quantity] = Field(default={})
    """Of each of its pods, which has a node's GPUs: `{cpu: "64", memory: 800Gi}`. Default: 4 CPUs
    and 24Gi for each GPU, 1 CPU and 4Gi for each core of `cpu`."""
    upgrade: Upgrade = Upgrade()
    """How it takes what cannot be changed in place."""


class GatewayValues(GatewaySpec):
    """What the endpoint allows, and its pods."""

    replicas: Annotated[int, Field(ge=1)] = 2
    """Pods of the gateway."""
    max_replicas: Annotated[int, Field(ge=1)] | None = None
    """More than `replicas`: it is scaled between them by its use of CPU."""
    resources: dict[str, Quantity] = Field(default={"cpu": "1", "memory": "1Gi"})
    """Of one pod. Its memory is its limit, too."""

    @model_validator(mode="after")
    def _ordered(self) -> "GatewayValues":
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            msg = f"maxReplicas is {self.max_replicas}, which is below replicas ({self.replicas})"
            raise ValueError(msg)
        return self


class Image(Section):
    """One image; the registry stands before its name."""

    name: str
    """In the registry."""
    tag: str = ""
    """Default: the chart's version."""
    digest: Digest = ""
    """`sha256:...`; with it the tag is only a remark."""


class Images(Section):
    """Where images come from."""

    registry: Registry = ""
    """Before every name, a mirror's path included and no `https://`: `registry.example.org/ai`."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node asks the registry."""
    pull_secrets: tuple[Name, ...] = Field(default=(), strict=False)
    """Secrets for the registry, of the release's namespace."""
    gateway: Image = Image(name="bifocal-gateway")
    """The endpoint, and the jobs."""
    gpu: Image = Image(name="bifocal-gpu")
    """Heads of groups with GPUs, and their pools."""
    cpu: Image = Image(name="bifocal-cpu")
    """The same of groups without."""


class Secrets(Section):
    """Names of Secrets that there are; where none is named, one is made once and kept."""

    keys: Name | None = None
    """With `keys.yaml` (`bifocal key new` prints its lines) and, in plain text for `helm test` and
    for Prometheus, `admin` and `metrics`."""
    tokens: Name | None = None
    """With `auth_token` for Ray and `pool_token` for the doors of the replicas."""
    hub: Name | None = None
    """Its keys become variables of what pulls weights: `HF_TOKEN`, `AWS_ACCESS_KEY_ID`."""


class Volume(Section):
    """Where weights are kept, for all pods."""

    claim: Name | None = None
    """A PersistentVolumeClaim that there is. Without it and without a size, each pod keeps its own
    copy for as long as it lives."""
    size: Quantity | None = None
    """Of a claim that the chart makes, and that stays when it is taken off."""
    storage_class: str | None = None
    """Of that claim. Default: the cluster's."""
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce", "ReadOnlyMany"] = "ReadWriteMany"
    """Of that claim; ReadWriteOnce is for a single node."""
    prefetch: bool = True
    """Whether a Job pulls the weights of every model before an engine asks for them."""
    env: dict[str, str] = Field(default={})
    """Variables of what pulls them: `HF_ENDPOINT`, `HTTPS_PROXY`."""


class Redis(Section):
    """One for all Ray heads."""

    address: RedisAddress
    """`redis://host:6379`."""
    secret: Name | None = None
    """With `password`."""


class HeadState(Section):
    """Where a Ray head keeps what it knows, so that pools outlive its loss."""

    keep: bool = True
    """On a volume that the chart claims for each Ray cluster. Without it pools are started anew
    when a head is lost; answers under way are finished."""
    size: Quantity = "1Gi"
    """Of that volume."""
    storage_class: str | None = None
    """Of that volume. Default: the cluster's."""
    redis: Redis | None = None
    """A Redis that there is, instead of the volume."""


class Head(Section):
    """The Ray head of each group; it holds no GPU and no engine."""

    resources: dict[str, Quantity] = Field(default={"cpu": "2", "memory": "8Gi"})
    """Of its pod. Its memory is its limit, too."""
    node_selector: dict[str, str] = Field(default={})
    """Labels of nodes without GPUs."""
    tolerations: tuple[Toleration, ...] = Field(default=(), strict=False)
    """Of its pod."""
    state: HeadState = HeadState()
    """Where it keeps what it knows."""


class IngressSpec(Section):
    """An Ingress before the gateway."""

    host: str
    """By which clients reach it."""
    class_name: str | None = None
    """Default: the cluster's."""
    tls_secret: Name | None = None
    """With the certificate of the host."""
    annotations: dict[str, str] = Field(default={})
    """Besides the time-outs, which are those of ingress-nginx."""


class RouteSpec(Section):
    """An HTTPRoute before the gateway."""

    host: str
    """By which clients reach it."""
    gateway: Name
    """The Gateway (of the Gateway API) that it is attached to."""
    namespace: Name | None = None
    """Of that Gateway. Default: the release's."""


class Expose(Section):
    """How clients outside of the cluster reach the gateway; none of it: not at all."""

    service: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    """Type of the gateway's Service."""
    ingress: IngressSpec | None = None
    """An Ingress."""
    route: RouteSpec | None = None
    """An HTTPRoute."""


class Monitoring(Section):
    """For prometheus-operator, where the cluster has it."""

    enabled: bool = True
    """PodMonitors, rules, dashboards."""
    labels: dict[str, str] = Field(default={})
    """By which Prometheus finds them: `{release: prometheus}`."""
    dashboard_label: str = "grafana_dashboard"
    """Which Grafana's sidecar looks for on ConfigMaps."""


class Network(Section):
    """Who may reach whom. By namespace, since that is what clusters agree on."""

    enabled: bool = True
    """Whether there are NetworkPolicies; what enforces them is the cluster's network."""
    dns: str = "kube-system"
    """Where DNS runs, port 53 or 5353."""
    dns_at: tuple[Cidr, ...] = Field(default=(), strict=False)
    """Addresses of DNS that is no pod there: `169.254.20.10/32` of NodeLocal DNSCache."""
    operator: str = "kuberay-system"
    """Where KubeRay's operator runs; it asks the heads."""
    monitoring: str = "monitoring"
    """Where Prometheus runs; it asks for metrics."""
    clients: tuple[str, ...] = Field(default=(), strict=False)
    """Namespaces whose pods may call the gateway (an ingress controller's). None: whoever has a
    key."""
    api_server: Cidr = "0.0.0.0/0"
    """Where the Jobs that make secrets and renew Ray clusters find the API server, port 443 or
    6443."""
    weights: tuple[Cidr, ...] = Field(default=("0.0.0.0/0",), strict=False)
    """Where weights come from. None of it: an air-gapped cluster."""
    weights_ports: tuple[Port, ...] = Field(default=(443,), strict=False)
    """Ports there, besides those of `weights.address`, of models' `source` and of addresses in
    `volume.env` (a proxy's)."""


class Cut(Section):
    """How one replica is cut, as `bifocal plan --values` writes it."""

    of: str
    """What it was planned for; other values need another plan."""
    layout: LayoutSpec
    """How one replica is cut."""
    stuck_after: Annotated[float, Field(gt=0)]
    """Seconds."""
    engine: dict[str, Argument] = Field(default={})
    """vLLM's arguments that the memory was proven with."""
    env: dict[str, str] = Field(default={})
    """Variables of the engines."""


class Values(Cluster):
    """The whole."""

    gpus: Annotated[dict[str, GpuValues], Field(min_length=1)]  # type: ignore[assignment]
    """Groups of like nodes, by names of your own; each is a RayService, and moves by itself."""
    gateway: GatewayValues = GatewayValues()
    """What the endpoint allows, and its pods. Its host, port and file of keys are the chart's: they
    may stand there and say nothing."""
    images: Images = Images()
    """Where images come from."""
    secrets: Secrets = Secrets()
    """Secrets that there are."""
    volume: Volume = Volume()
    """Where weights are kept."""
    head: Head = Head()
    """The Ray head of each group."""
    expose: Expose = Expose()
    """How clients outside of the cluster reach the gateway."""
    monitoring: Monitoring = Monitoring()
    """For prometheus-operator."""
    network: Network = Network()
    """Who may reach whom."""
    layouts: dict[str, Cut] = Field(default={})
    """What `bifocal plan --values` wrote: how models are cut that the chart's own table lacks."""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        return with_new_names(given)
