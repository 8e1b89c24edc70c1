"""The pools as they stand at the moment of a scrape: nothing of them is kept between two.

So a replica that has gone leaves no series behind, and one that came an instant ago has its own.
"""

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.metrics import table
from serving.observer import PoolNow


class PoolCollector(Collector):
    """Shows the pools that it was last given."""

    def __init__(self) -> None:
        self.pools: Sequence[PoolNow] = ()

    def describe(self) -> Iterator[Metric]:
        """So that a registry need not collect to learn the names."""
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        replicas, wanted, in_flight = families = self._families()
        for pool in self.pools:
            for state, count in _states(pool).items():
                replicas.add_metric((pool.model, state), count)
            if pool.wanted is not None:
                wanted.add_metric((pool.model,), pool.wanted)
            for replica in pool.replicas:
                of = (pool.model, replica.target.name)
                in_flight.add_metric(of, replica.requests_in_flight)
        yield from families

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        rows = (table.POOL_REPLICAS, table.POOL_WANTED, table.REPLICA_IN_FLIGHT)
        one, two, three = (GaugeMetricFamily(r.name, r.meaning, labels=r.labels) for r in rows)
        return one, two, three


def _states(pool: PoolNow) -> dict[str, int]:
    """All of them, the zeros too: a series that comes and goes cannot be counted on."""
    failing = sum(replica.failing for replica in pool.replicas)
    missing = max(0, (pool.wanted or 0) - len(pool.replicas))
    return {"ready": len(pool.replicas) - failing, "failing": failing, "starting": missing}
