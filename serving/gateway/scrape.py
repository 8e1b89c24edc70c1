"""What the engines count, for whoever scrapes the gateway: which replicas there are, and each one's
own page.

GET /metrics/targets                           Prometheus' HTTP service discovery
GET /metrics/replica?model=NAME&replica=NAME   that replica's page, as its engine writes it

So Prometheus finds every replica without a list, needs a key of the gateway and no token of a pool,
and the replicas' ports stay closed to all but the gateway.
"""

from typing import Any, Final
from urllib.parse import parse_qs

from serving.errors import UnknownPath
from serving.gateway.asgi import Reply, Request
from serving.gateway.pool import Pools
from serving.gateway.upstream import Upstream
from serving.values import ModelName, Target

TARGETS: Final = "/metrics/targets"
REPLICA: Final = "/metrics/replica"
PAGE: Final = "/metrics"
"""Where a replica has it, behind its door."""


class Scrape:
    """Answers for the replicas that `pools` knows now."""

    def __init__(self, pools: Pools, upstream: Upstream) -> None:
        self._pools, self._upstream = pools, upstream

    async def list(self, request: Request, reply: Reply) -> None:
        """Each replica as a page of the address by which the gateway was asked."""
        host = request.headers.get(b"host", b"localhost").decode("latin-1")
        there = self._pools.snapshots().items()
        await reply.json(
            200,
            [_found(host, name, r.target) for name, pool in there for r in pool.replicas],
        )

    async def page(self, request: Request, reply: Reply) -> None:
        asked = parse_qs(request.query.decode("latin-1"), max_num_fields=8)
        target = self._target(*(asked.get(name, [""])[0] for name in ("model", "replica")))
        kind, body = await self._upstream.get(target, PAGE)
        await reply.whole(200, body, (b"content-type", kind))

    def _target(self, model: str, replica: str) -> Target:
        pool = self._pools.snapshots().get(ModelName(model))
        for known in pool.replicas if pool else ():
            if known.target.name == replica:
                return known.target
        msg = f"{model[:64]!r} has no replica {replica[:64]!r} now; {TARGETS} lists those there are"
        raise UnknownPath(msg)


def _found(host: str, pool: ModelName, target: Target) -> dict[str, Any]:
    """As parameters, since Prometheus would quote in a path what is quoted already."""
    names = {"model": pool, "replica": target.name}
    how = {"__metrics_path__": REPLICA} | {f"__param_{k}": v for k, v in names.items()}
    # Prometheus would call the instance by the gateway's address, which is the same for all.
    return {"targets": [host], "labels": how | names | {"instance": f"{pool}/{target.name}"}}
