"""What is asked of a pool's ranks, and what their answers mean."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.doctor.finding import Verdict
from deploy.doctor.reduction import (
    SIZES,
    Asked,
    Backend,
    Rank,
    Reduced,
    Stage,
    Timing,
    as_json,
    asked,
    found,
)
from serving.catalog import CATALOG
from serving.config import ModelSpec
from serving.pools.engine import Hardware, Pool
from serving.values import ModelName

NETWORK = {"GLOO_SOCKET_IFNAME": "eth1", "NCCL_SOCKET_IFNAME": "=eth1"}
TIMES = (Timing(8, 0.0005), Timing(1024**2, 0.002), Timing(64 * 1024**2, 0.1))


def pool(name: str, kind: str, layout: dict[str, Any], **nodes: Any) -> Pool:
    model = ModelName(name)
    spec = ModelSpec.model_validate({"on": "nodes", "layout": layout})
    return Pool(model, spec, CATALOG[model], Hardware.of(kind, **nodes), "/models")


TWO_STAGES = asked(
    pool("pocket-moe", "cpu", {"pipeline": 2}, per_node=1, nodes=2, network=NETWORK), 30
)


def reduced(*ranks: Rank, **more: Any) -> Reduced:
    given = {"pool": "pocket-moe", "backend": Backend.GLOO, "beside": False}
    return Reduced(**{**given, "ranks": ranks, **more})


@pytest.mark.parametrize(
    ("of", "ranks", "strategy", "backend"),
    [
        pytest.param(
            pool("pocket-moe", "cpu", {"pipeline": 2}, per_node=1, nodes=2),
            2, "PACK", "gloo", id="CPUs of two nodes",
        ),
        pytest.param(
            pool("qwen3-235b-a22b", "h100-80g", {"tensor": 8, "pipeline": 2}, per_node=8, nodes=2),
            16, "PACK", "nccl", id="GPUs of two nodes",
        ),
        pytest.param(
            pool("qwen3-32b", "h100-80g", {"tensor": 4}, per_node=8),
            4, "STRICT_PACK", "nccl", id="GPUs of a node",
        ),
        pytest.param(
            pool(
                "qwen3-235b-a22b", "h100-80g", {"tensor": 4, "data": 4, "expert": True},
                per_node=8, nodes=2,
            ),
            16, "PACK", "nccl", id="a gang",
        ),
    ],
)  # fmt: skip
def test_ranks_are_placed_as_the_pools_own(
    of: Pool, ranks: int, strategy: str, backend: str
) -> None:
    found = asked(of, 30)
    assert (found.ranks, found.strategy, found.backend) == (ranks, strategy, backend)


def test_ranks_get_the_pools_network_and_labels_and_nothing_else() -> None:
    labels = {"zone": "b"}
    of = pool(
        "qwen3-32b", "h100-80g", {"tensor": 2}, per_node=1, nodes=2, network=NETWORK, labels=labels
    )
    found = asked(of, 30)
    assert (found.env, found.labels) == (NETWORK, labels)
    assert found.bundles == ({"CPU": 1, "GPU": 1, "accelerator_type:H100": 0.001},) * 2


def test_what_was_summed_is_told_with_times() -> None:
    ranks = (Rank(0, "node-1", Stage.SUMMED), Rank(1, "node-2", Stage.SUMMED))
    told = found(TWO_STAGES, reduced(*ranks, timings=TIMES, beside=True))
    assert told.verdict is Verdict.OK
    assert told.seen == (
        "pocket-moe: 2 ranks on node-1, node-2, beside the pool's own, gloo: 8 B 0.50 ms, "
        "1 MiB 2.00 ms (0.52 GB/s), 64 MiB 100.00 ms (0.67 GB/s)"
    )


FIRST = Rank(0, "node-1", Stage.MET, "eth1, 10.0.0.1")
CUT = Rank(1, "node-2", Stage.PLACED, "eth1, 10.0.0.2", error="timed out")


def test_a_rank_that_is_cut_off_is_named_with_its_node_and_what_to_look_at() -> None:
    told = found(TWO_STAGES, reduced(FIRST, CUT))
    assert told.verdict is Verdict.FAIL
    assert told.seen == (
        "pocket-moe: 1 of 2 ranks did not meet rank 0 on node-1 within 30 s, for: "
        "rank 1 on node-2 (eth1, 10.0.0.2, timed out)"
    )
    assert told.remedy is not None
    assert "interface eth1" in told.remedy
    assert "of node-2:" in told.remedy


@pytest.mark.parametrize(
    ("ranks", "blamed"),
    [
        pytest.param((FIRST, replace(CUT, is_down=True)), {"node-2"}, id="its own link is down"),
        pytest.param((replace(FIRST, is_down=True), CUT), {"node-1"}, id="the first one's is"),
        pytest.param(
            (replace(FIRST, stage=Stage.PLACED), CUT), {"node-1"}, id="the first one did not come"
        ),
        pytest.param((FIRST, CUT, replace(CUT, number=2, node="node-3")), {"node-2", "node-3"},
                     id="the first one is alone"),
    ],
)  # fmt: skip
def test_who_is_to_blame(ranks: tuple[Rank, ...], blamed: set[str]) -> None:
    told = found(TWO_STAGES, reduced(*ranks))
    _, _, names = told.seen.partition("for: ")
    assert {node for node in ("node-1", "node-2", "node-3") if node in names} == blamed
    assert {node for node in blamed if node in (told.remedy or "")} == blamed


def test_ranks_that_met_and_did_not_sum_tell_their_last_word() -> None:
    ranks = (
        Rank(0, "node-1", Stage.MET, error="Connection closed by peer"),
        Rank(1, "", Stage.SUMMED),
    )
    told = found(TWO_STAGES, reduced(*ranks))
    assert told.verdict is Verdict.FAIL
    assert "all ranks met and did not finish" in told.seen
    assert "rank 0 on node-1 (Connection closed by peer)" in told.seen


def test_where_there_is_no_room_that_is_said_with_what_there_is() -> None:
    told = found(TWO_STAGES, reduced(no_room="3 CPU, 1 GPU"))
    assert told.verdict is Verdict.FAIL
    assert "2 x (1 CPU + 1 GPU), PACK; the cluster has free: 3 CPU, 1 GPU" in told.seen


def test_scripts_get_numbers() -> None:
    ranks = (Rank(0, "node-1", Stage.SUMMED),)
    told = as_json(reduced(*ranks, timings=TIMES))
    assert [each["bytes"] for each in told["times"]] == list(SIZES)
    assert told["times"][2]["gb_per_s"] == pytest.approx(0.671, abs=0.001)
    assert told["ranks"] == [{"rank": 0, "node": "node-1", "stage": "summed", "error": None}]


def test_a_rank_takes_part_in_nothing_by_itself() -> None:
    alone = asked(pool("pocket-moe", "cpu", {}), 30)
    assert isinstance(alone, Asked)
    assert alone.ranks == 1
