"""The pools of a cluster file as the text that Ray gets on this machine. Pure.

Who starts a service and who changes it must say the same: whatever differs, Serve replaces.
"""

from collections.abc import Container, Iterable
from typing import Any

from deploy.local.pools import BUILDER
from deploy.local.ports import LOOPBACK
from serving.pools.engine import Pool
from serving.pools.serve_config import Proxy, serve_config
from serving.values import ModelName


def text_of(
    pools: Iterable[Pool],
    *,
    proxy_port: int,
    longest_answer_s: float,
    cache: str,
    surging: Container[ModelName] = (),
) -> dict[str, Any]:
    return serve_config(
        pools,
        proxy=Proxy(LOOPBACK, proxy_port),
        longest_answer_s=longest_answer_s,
        cache=cache,
        start_attempts=1,
        builder=BUILDER,
        surging=surging,
    )
