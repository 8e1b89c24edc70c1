"""What prometheus_client tells of a process, and Prometheus of its own scraping."""

from typing import Final

from ops.metrics.table import Kind, Metric

BY_INSTANCE: Final = ("job", "instance")

CPU_SECONDS: Final = Metric(
    "process_cpu_seconds_total",
    Kind.COUNTER,
    "seconds",
    "CPU time that a process has used",
    BY_INSTANCE,
)
RESIDENT_MEMORY: Final = Metric(
    "process_resident_memory_bytes",
    Kind.GAUGE,
    "bytes",
    "Memory of a process",
    BY_INSTANCE,
)
STARTED: Final = Metric(
    "process_start_time_seconds",
    Kind.GAUGE,
    "seconds since 1970",
    "When a process started",
    BY_INSTANCE,
)
UP: Final = Metric(
    "up",
    Kind.GAUGE,
    "0 or 1",
    "Whether Prometheus could read a page; Prometheus' own",
    BY_INSTANCE,
)

PROCESS: Final = (CPU_SECONDS, RESIDENT_MEMORY, STARTED, UP)
