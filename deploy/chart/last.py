"""What the head of a Ray cluster does before it ends: it waits until the nodes that leave with it
have gone.

python -m deploy.chart.last

A hook of its pod (preStop). A node that leaves lets its replicas finish their answers, and it is
Serve's controller, on the head, that ends them. Where all are asked to leave at once, as by `helm
uninstall`, the head must therefore be the last. Ray's own drain does not see to that: it waits
until nothing runs on a node, and the controller never leaves the head (Ray 2.60,
`Node._drain_node_before_shutdown`), which would keep it for as long as the longest answer may
take. So a head drains for no time, and waits here. A head that leaves alone, because its machine
is to be emptied, keeps nobody waiting.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
from ray.core.generated import gcs_pb2

HERE: Final = "127.0.0.1:6379"
"""Ray's store of what there is; KubeRay knows no other port."""
SETTLE_S: Final = 15.0
"""Kubernetes asks the pods of one cluster one after the other, and each has Ray to tell."""
LOOKS_EVERY_S: Final = 1.0
TIMEOUT_S: Final = 5.0
"""Of one question. A store that is lost raises, and then there is nothing to wait for."""


def leaving(client: Any) -> set[str]:
    """Nodes that were asked to leave and have not gone yet."""
    nodes = client.get_all_node_info(timeout=TIMEOUT_S)
    alive = {each.hex() for each, is_ in nodes.items() if is_.state == gcs_pb2.GcsNodeInfo.ALIVE}
    return alive & set(client.get_draining_nodes(timeout=TIMEOUT_S))


def wait(are_leaving: Callable[[], object], sleep: Callable[[float], None] = time.sleep) -> None:
    """For as long as the pod's grace allows, which ends the hook, too."""
    sleep(SETTLE_S)
    while are_leaving():
        sleep(LOOKS_EVERY_S)


if __name__ == "__main__":
    there = GcsClient(address=HERE)
    wait(lambda: leaving(there))
