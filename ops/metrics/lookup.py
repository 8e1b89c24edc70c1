"""What is looked up at the moment of a scrape, and kept by nobody: pools, and keys that expire.

So a replica that has gone leaves no series behind, and one that came an instant ago has its own.
"""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.metrics import table
from ops.metrics.labels import TeamGuard
from serving.observer import PoolNow
from serving.values import Team


class Lookup(Collector):
    """Shows what it was last given."""

    def __init__(self, teams: TeamGuard) -> None:
        self._teams = teams
        self.pools: Sequence[PoolNow] = ()
        self.expiries: Mapping[Team, float] = {}

    def describe(self) -> Iterator[Metric]:
        """So that a registry need not collect to learn the names."""
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        replicas, wanted, in_flight, expire = families = self._families()
        for pool in self.pools:
            for state, count in _states(pool).items():
                replicas.add_metric((pool.model, state), count)
            if pool.wanted is not None:
                wanted.add_metric((pool.model,), pool.wanted)
            for replica in pool.replicas:
                of = (pool.model, replica.target.name)
                in_flight.add_metric(of, replica.requests_in_flight)
        for team, at in self.expiries.items():
            expire.add_metric((self._teams.label(team),), at)
        yield from families

    def _families(self) -> list[GaugeMetricFamily]:
        return [GaugeMetricFamily(r.name, r.meaning, labels=r.labels) for r in table.LOOKED_AT]


def _states(pool: PoolNow) -> dict[str, int]:
    """All of them, the zeros too: a series that comes and goes cannot be counted on."""
    failing = sum(replica.failing for replica in pool.replicas)
    missing = max(0, (pool.wanted or 0) - len(pool.replicas))
    return {"ready": len(pool.replicas) - failing, "failing": failing, "starting": missing}
