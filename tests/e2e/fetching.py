"""A replica on two Ray nodes has its weights fetched, by somebody who says where he was asked.

    python -m tests.e2e.fetching > found.json

Two raylets of one machine, so both see the same folders; no engine.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from serving.pools import fetching
from serving.pools.weights import Note, NoWeights, Wanted

CASES = {"alike": "/w", "apart": "/w/{node}", "refused": ""}
"""The folder that each node names; without one, the second has none."""


class Teller:
    async def pinned(self, wanted: Wanted) -> Wanted:
        return wanted

    async def fetched(self, wanted: Wanted, note: Note) -> str:
        node = ray.get_runtime_context().get_node_id()
        (Path(wanted.env["asked"]) / node).touch()
        if not wanted.source and node != wanted.env["first"]:
            raise NoWeights("answers 404")
        return wanted.source.format(node=node)


@ray.remote(num_cpus=1)
class Replica:
    async def fetched(self, folder: str, asked: str) -> str:
        first = ray.get_runtime_context().get_node_id()
        wanted = Wanted(folder, {"asked": asked, "first": first})
        try:
            return await fetching.fetched(wanted, Teller(), fetching.other_nodes())
        except NoWeights as error:
            return str(error)


def main() -> dict[str, object]:
    cluster = Cluster()
    with tempfile.TemporaryDirectory(prefix="bf-") as folder:
        os.environ["RAY_TMPDIR"] = folder
        (Path(folder) / "ray").mkdir()
        try:
            cluster.add_node(num_cpus=1, include_dashboard=False)
            cluster.add_node(num_cpus=1)
            ray.init(address=cluster.address, log_to_driver=False)
            return _found(folder)
        finally:
            ray.shutdown()
            cluster.shutdown()


def _found(folder: str) -> dict[str, object]:
    group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_SPREAD")
    ray.get(group.ready())
    there = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
    replica = Replica.options(scheduling_strategy=there).remote()
    said = {name: ray.get(replica.fetched.remote(case, folder)) for name, case in CASES.items()}
    nodes = [each["NodeID"] for each in ray.nodes()]
    return {**said, "asked": sorted(set(os.listdir(folder)) & set(nodes)), "nodes": sorted(nodes)}


if __name__ == "__main__":
    # Ray writes to standard output what is not meant for whoever reads the answer.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(main(), out)
    out.close()
    sys.exit()
