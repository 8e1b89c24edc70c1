"""What the engines count, for whoever scrapes the gateway: which replicas there are, and each one's
own page.

GET /metrics/targets                     Prometheus' HTTP service discovery
GET /metrics/replicas/{pool}/{replica}   that replica's `/metrics`, as its engine writes it

So Prometheus finds every replica without a list, needs a key of the gateway and no token of a pool,
and the replicas' ports stay closed to all but the gateway.
"""

from typing import Any, Final
from urllib.parse import quote, unquote

from serving.errors import UnknownPath
from serving.gateway.asgi import Reply, Request
from serving.gateway.pool import Pools
from serving.gateway.upstream import Upstream
from serving.values import ModelName, Target

TARGETS: Final = "/metrics/targets"
REPLICAS: Final = "/metrics/replicas/"
PAGE: Final = "/metrics"
"""Where a replica has it, behind its door."""


class Scrape:
    """Answers for the replicas that `pools` knows now."""

    def __init__(self, pools: Pools, upstream: Upstream) -> None:
        self._pools, self._upstream = pools, upstream

    async def list(self, request: Request, reply: Reply) -> None:
        """Each replica as a path of the address by which the gateway was asked."""
        host = request.headers.get(b"host", b"localhost").decode("latin-1")
        there = self._pools.snapshots().items()
        await reply.json(
            200,
            [_found(host, name, r.target) for name, pool in there for r in pool.replicas],
        )

    async def page(self, request: Request, reply: Reply) -> None:
        target = self._target(request.path)
        kind, body = await self._upstream.get(target, PAGE)
        await reply.whole(200, body, (b"content-type", kind))

    def _target(self, path: str) -> Target:
        name, _, replica = path.removeprefix(REPLICAS).partition("/")
        pool = self._pools.snapshots().get(ModelName(unquote(name)))
        for known in pool.replicas if pool else ():
            if known.target.name == unquote(replica):
                return known.target
        msg = f"there is no replica {path[:128]} now; {TARGETS} lists those there are"
        raise UnknownPath(msg)


def _found(host: str, pool: ModelName, target: Target) -> dict[str, Any]:
    path = f"{REPLICAS}{quote(pool, safe='')}/{quote(target.name, safe='')}"
    labels = {"__metrics_path__": path, "model": pool, "replica": target.name}
    # Prometheus would call the instance by the gateway's address, which is the same for all.
    return {"targets": [host], "labels": labels | {"instance": f"{pool}/{target.name}"}}
