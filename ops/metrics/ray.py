"""What Ray and Ray Serve count and nobody else does: nodes, GPUs, replicas as Serve sees them.

They come from Ray's agent, one page a node, which bends what it passes on: a gauge that was not set
for half a minute is gone, a histogram's `_sum` is made up from its buckets, a counter begins with
its first event. So little of it is used here, and never a sum. Serve calls a pool `application`.
"""

from typing import Final

from ops.metrics.table import Kind, Metric

BY_POOL: Final = ("application", "deployment")
BY_GPU: Final = ("ip", "GpuIndex", "GpuDeviceName")

SERVE_STARTUP: Final = Metric(
    "ray_serve_replica_startup_latency_ms",
    Kind.HISTOGRAM,
    "milliseconds",
    "From when Serve asked for a replica to when it was ready",
    BY_POOL,
)
SERVE_INITIALIZATION: Final = Metric(
    "ray_serve_replica_initialization_latency_ms",
    Kind.HISTOGRAM,
    "milliseconds",
    "The part of it that begins with the replica's process: imports, weights, engine, warm-up",
    BY_POOL,
)
SERVE_HEALTHY: Final = Metric(
    "ray_serve_deployment_replica_healthy",
    Kind.GAUGE,
    "replicas",
    "Replicas that answer Serve's health check",
    BY_POOL,
)
NODE_CPU: Final = Metric(
    "ray_node_cpu_utilization",
    Kind.GAUGE,
    "percent",
    "CPU in use on a node of Ray's",
    ("ip",),
)
NODE_MEMORY_USED: Final = Metric(
    "ray_node_mem_used", Kind.GAUGE, "bytes", "Memory in use on a node of Ray's", ("ip",)
)
NODE_MEMORY: Final = Metric(
    "ray_node_mem_total", Kind.GAUGE, "bytes", "Memory that a node of Ray's has", ("ip",)
)
RESOURCES: Final = Metric(
    "ray_resources",
    Kind.GAUGE,
    "CPUs, GPUs, bytes",
    "What Ray hands out on a node, by `Name` (`CPU`, `GPU`) and `State` (`USED`, `AVAILABLE`)",
    ("Name", "State"),
)
GPU_BUSY: Final = Metric(
    "ray_node_gpus_utilization",
    Kind.GAUGE,
    "percent",
    "How busy a GPU is",
    BY_GPU,
)
GPU_MEMORY: Final = Metric(
    "ray_node_gram_used", Kind.GAUGE, "megabytes", "Memory in use on a GPU", BY_GPU
)
GPU_HOLDER: Final = Metric(
    "ray_component_gpu_memory_mb",
    Kind.GAUGE,
    "megabytes",
    "Memory of a GPU, by the process that holds it: `Component` is a replica's name",
    (*BY_GPU, "pid", "Component"),
)

RAY: Final = (
    SERVE_STARTUP, SERVE_INITIALIZATION, SERVE_HEALTHY, NODE_CPU, NODE_MEMORY_USED, NODE_MEMORY,
    RESOURCES, GPU_BUSY, GPU_MEMORY, GPU_HOLDER,
)  # fmt: skip
