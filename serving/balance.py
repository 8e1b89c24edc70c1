"""Which replica of a pool takes a request.

The one with the fewest tokens in flight of ours, corrected by what the doors say: requests of
others count too, and a replica whose KV cache is nearly full would only preempt. Failing ones are
left out while any other is there. Prefixes are not looked at.
"""

from collections.abc import Sequence
from typing import Final

from serving.values import ReplicaSnapshot, Target, TargetId

FOREIGN_TOKENS: Final = 512
"""What a request of another gateway is taken for."""
KV_NEARLY_FULL: Final = 0.95
KV_PENALTY: Final = 16_384
"""Tokens; as much as a few dozen requests, so that it yields when the others are worse off."""


def choose(
    replicas: Sequence[ReplicaSnapshot], turn: int, avoid: TargetId | None = None
) -> Target | None:
    """`turn` walks on with each request and settles ties; `avoid` just failed this one."""
    for candidates in (
        [r for r in replicas if not r.failing and r.target.id != avoid],
        [r for r in replicas if r.target.id != avoid],
        replicas,
    ):
        if candidates:
            start = turn % len(candidates)
            return min([*candidates[start:], *candidates[:start]], key=burden).target
    return None


def burden(replica: ReplicaSnapshot) -> int:
    """In tokens."""
    load = replica.load
    full = load is not None and load.kv_cache_usage > KV_NEARLY_FULL
    return (
        replica.tokens_in_flight
        + replica.foreign_requests * FOREIGN_TOKENS
        + (KV_PENALTY if full else 0)
    )
