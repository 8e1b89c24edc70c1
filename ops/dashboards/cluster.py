"""Cluster: what the service stands on. GPUs and who holds them, Ray's nodes, the gateways."""

from typing import Final

from ops.dashboards.board import Board, Line, Panel, Section
from ops.dashboards.query import each, most, of_each_gateway_a_second, of_gateways, total
from ops.metrics import process, ray, table

NO_GPU: Final = "Ray tells it of GPUs alone, and there is none here"
OF_GPU: Final = "{{ip}} GPU {{GpuIndex}} {{GpuDeviceName}}"
NODES_DO: Final = "a node at its end starves the engines' front ends: place fewer replicas on it."

GPUS: Final = Section(
    "GPUs",
    (
        Panel(
            "GPUs handed out",
            "none",
            "How many GPUs Ray has given to replicas, and how many are free.",
            "free ones while a pool is `starting` (Pools): its replica wants more on one node than "
            "any has left. `bifocal plan` says what fits.",
            (Line(total(ray.RESOURCES, "State", Name="GPU"), "{{State}}"),),
            width=6,
            needs=NO_GPU,
        ),
        Panel(
            "Who holds what",
            "decmbytes",
            "Memory of each GPU, by the process that holds it; the name is the replica's.",
            "a holder that is no replica of Pools is a process that was left behind: end it, or "
            "the next replica does not fit.",
            (
                Line(
                    total(ray.GPU_HOLDER, "ip", "GpuIndex", "Component"),
                    "{{ip}} GPU {{GpuIndex}}: {{Component}}",
                ),
            ),
            width=6,
            stacked=True,
            needs=NO_GPU,
        ),
        Panel(
            "How busy",
            "percent",
            "The share of time in which a GPU did anything.",
            "0 while its replica has requests in flight: the engine is stuck. Low under load: "
            "batches are too small, or the CPU is the brake.",
            (Line(most(ray.GPU_BUSY, *ray.BY_GPU), OF_GPU),),
            width=6,
            needs=NO_GPU,
        ),
        Panel(
            "Memory",
            "decmbytes",
            "In use on each GPU.",
            "vLLM takes its share at the start and keeps it: a change without a new replica is "
            "somebody else's.",
            (Line(most(ray.GPU_MEMORY, *ray.BY_GPU), OF_GPU),),
            width=6,
            needs=NO_GPU,
        ),
    ),
)

NODES: Final = Section(
    "Nodes of Ray",
    (
        Panel(
            "CPU",
            "percent",
            "In use on each node, by anybody.",
            NODES_DO,
            (Line(most(ray.NODE_CPU, "ip"), "{{ip}}"),),
        ),
        Panel(
            "Memory in use",
            "percentunit",
            "The share of each node's memory.",
            "above 0.95 Ray kills workers: fewer replicas on the node, or weights in fewer copies.",
            (Line(most(ray.NODE_MEMORY_USED, "ip") / most(ray.NODE_MEMORY, "ip"), "{{ip}}"),),
        ),
        Panel(
            "CPUs handed out",
            "none",
            "What of its CPUs Ray has given away. It counts promises, not use.",
            "none AVAILABLE while a pool is `starting`: a replica waits for one.",
            (Line(total(ray.RESOURCES, "State", Name="CPU"), "{{State}}"),),
            stacked=True,
        ),
    ),
)

GATEWAYS: Final = Section(
    "Gateways",
    (
        Panel(
            "CPU of gateways",
            "none",
            "Cores that each gateway uses. It is one process: 1 is all that it can have.",
            "above 0.7, add a gateway (`gateway.replicas`), or first tokens wait for it.",
            (Line(of_each_gateway_a_second(process.CPU_SECONDS), "{{instance}}"),),
        ),
        Panel(
            "Memory of gateways",
            "bytes",
            "Resident memory of each gateway.",
            "it follows In flight; where it climbs alone, restart the gateway and report it.",
            (Line(of_gateways(each(process.RESIDENT_MEMORY)), "{{instance}}"),),
        ),
        Panel(
            "In flight by gateway",
            "none",
            "Requests that each gateway has admitted and that have not ended.",
            "very unlike: the balancer before them sends new connections to one.",
            (Line(each(table.IN_FLIGHT), "{{instance}}"),),
        ),
        Panel(
            "Pages that are read",
            "none",
            "1 where Prometheus could read the page of a gateway or a replica, 0 where not.",
            "0 of a gateway: it is away, or the key that Prometheus uses was revoked. 0 of a "
            "replica: it is going, or its engine answers no more.",
            (
                Line(
                    each(process.UP, job="~bifocal-.*") | each(process.UP, release="~.+"),
                    "{{job}} {{instance}}",
                ),
            ),
            width=24,
        ),
    ),
)

CLUSTER: Final = Board(
    "cluster",
    "Cluster",
    "What the service stands on: GPUs and who holds them, Ray's nodes, the gateways.",
    (GPUS, NODES, GATEWAYS),
)
