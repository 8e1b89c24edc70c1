"""What a values file asks of a cluster."""

from collections.abc import Iterable

from deploy.chart.values import Toleration, Values
from deploy.doctor.kube import Group, Taint, Wants

KEYS, TOKENS = frozenset({"keys.yaml"}), frozenset({"auth_token", "pool_token"})


def wants_of(values: Values) -> Wants:
    secrets = {values.secrets.keys: KEYS, values.secrets.tokens: TOKENS}
    if values.secrets.hub:
        secrets[values.secrets.hub] = frozenset()
    return Wants(
        groups=tuple(
            Group(
                name,
                group.node_selector,
                group.nodes,
                0 if group.is_cpu else group.per_node,
                tuple(_taints(group.tolerations)),
            )
            for name, group in values.gpus.items()
        ),
        operator=values.network.operator if values.network.enabled else None,
        monitoring=values.monitoring.enabled,
        policies=values.network.enabled,
        classes=tuple(_classes(values)),
        claims=(values.volume.claim,) if values.volume.claim else (),
        secrets={name: entries for name, entries in secrets.items() if name is not None},
        keys=values.secrets.keys,
        pull_secrets=values.images.pull_secrets,
    )


def _classes(values: Values) -> Iterable[str | None]:
    """Of the claims that the chart makes."""
    if values.volume.size and not values.volume.claim:
        yield values.volume.storage_class
    if values.head.state.keep and not values.head.state.redis:
        yield values.head.state.storage_class


def _taints(tolerations: Iterable[Toleration]) -> Iterable[Taint]:
    for each in tolerations:
        value = each.value or "" if each.operator == "Equal" else ""
        yield each.key or "", value, each.effect or ""
