"""What each repair is for, shown on the installed vLLM without it, and mended with it.

One that fails says that vLLM needs the repair no more: take it out, and its page in
`docs/upstream/` with it.
"""

import importlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from deploy.local.ports import free_ports
from serving.pools.sharding import expert_map, gather, meeting, pipeline, segments

pytestmark = [
    pytest.mark.engine,
    # What vLLM imports warns of itself.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@contextmanager
def repaired(repair: Any, module: Any, *classes: type) -> Iterator[None]:
    """Only within: what this process has imported is as vLLM made it before and after."""
    before = [(each, dict(vars(each))) for each in classes]
    repair(module)
    try:
        yield
    finally:
        for each, held in before:
            for name in set(vars(each)) - held.keys():
                delattr(each, name)
            for name in ("apply", "_select_experts", "make_group_name"):
                if name in held:
                    setattr(each, name, held[name])


def test_an_expert_of_another_rank_counts_nothing() -> None:
    """Two of four experts are here; both tokens chose one that is not. Their ids are small enough
    to be read as places here, so that the unmended one answers with a wrong expert's work and does
    not end the process, as greater ids do."""
    import torch
    from vllm._custom_ops import cpu_prepack_moe_weight
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation
    from vllm.model_executor.layers.fused_moe.config import FUSED_MOE_UNQUANTIZED_CONFIG
    from vllm.model_executor.layers.fused_moe.experts import cpu_moe

    experts = object.__new__(cpu_moe.CPUUnquantizedExperts)
    experts.moe_config = SimpleNamespace(experts_per_token=1)
    experts.quant_config = FUSED_MOE_UNQUANTIZED_CONFIG
    experts.use_grouped_topk = experts._use_zentorch = False
    experts.renormalize, experts.scoring_func = True, "softmax"
    experts.custom_routing_function = None

    def work() -> Any:
        size = 32
        torch.manual_seed(0)
        w1 = cpu_prepack_moe_weight(torch.randn(2, 2 * size, size), "vec")
        w2 = cpu_prepack_moe_weight(torch.randn(2, size, size), "vec")
        chosen = torch.tensor([[9.0, 0, 0, 0], [0, 9.0, 0, 0]])
        here = torch.tensor([-1, -1, 0, 1])
        hidden = torch.randn(2, size)
        return experts.apply(hidden, w1, w2, chosen, MoEActivation.SILU, 4, here, None, False)

    assert work().abs().max() > 0
    with repaired(expert_map.repair, cpu_moe, cpu_moe.CPUUnquantizedExperts):
        assert work().abs().max() == 0


def test_a_stage_makes_its_buffer_when_it_needs_it() -> None:
    import torch
    from vllm.config import VllmConfig
    from vllm.model_executor.models.utils import make_empty_intermediate_tensors_factory
    from vllm.v1.worker import cpu_model_runner

    runner = object.__new__(cpu_model_runner.CPUModelRunner)
    runner.intermediate_tensors = None
    runner.vllm_config = VllmConfig()
    runner.max_num_tokens, runner.device = 8, torch.device("cpu")
    runner.model_config = SimpleNamespace(dtype=torch.float32)
    make = make_empty_intermediate_tensors_factory(["hidden_states", "residual"], 16)
    runner.model = SimpleNamespace(make_empty_intermediate_tensors=make)

    with pytest.raises(AssertionError):
        runner.sync_and_gather_intermediate_tensors(4, None, False)
    with repaired(pipeline.repair, cpu_model_runner, cpu_model_runner.CPUModelRunner):
        found = runner.sync_and_gather_intermediate_tensors(4, None, False)
    assert {name: tensor.shape for name, tensor in found.items()} == {
        "hidden_states": (4, 16),
        "residual": (4, 16),
    }


RANK = """
import sys
from types import SimpleNamespace
import torch
from serving.pools.sharding.gather import all_gatherv, reduce_scatterv

rank, sizes = int(sys.argv[1]), [1, 3]
torch.distributed.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
group = SimpleNamespace(device_group=None, world_size=2, rank_in_group=rank)
own = torch.full((sizes[rank], 2), float(rank + 1))
whole = torch.tensor([[1.0, 1], [2, 2], [2, 2], [2, 2]])
assert torch.equal(all_gatherv(group, own, 0, sizes), whole)
assert torch.equal(all_gatherv(group, [own, 10 * own], 0, sizes)[1], 10 * whole)
assert torch.equal(reduce_scatterv(group, whole, 0, sizes), 2 * own)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_ranks_exchange_batches_of_unequal_length(tmp_path: Any) -> None:
    from vllm.distributed.device_communicators import cpu_communicator

    communicator = cpu_communicator.CpuCommunicator
    with pytest.raises(NotImplementedError):
        communicator.all_gatherv(None, None)
    with pytest.raises(NotImplementedError):
        communicator.reduce_scatterv(None, None)
    with repaired(gather.repair, cpu_communicator, communicator):
        assert communicator.all_gatherv is gather.all_gatherv
        assert communicator.reduce_scatterv is gather.reduce_scatterv
    met = f"file://{tmp_path}/met"
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), met]) for rank in (0, 1)]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]


def test_ranks_meet_where_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    rendezvous: Any = importlib.import_module("torch.distributed.rendezvous")

    def heard_on() -> set[str]:
        (port,) = free_ports(1)
        url = f"tcp://127.0.0.1:{port}?rank=0&world_size=1"
        store, *_ = next(rendezvous.rendezvous(url))
        store.set("key", "value")
        assert store.get("key") == b"value"
        here = psutil.Process().net_connections("tcp")
        return {each.laddr.ip for each in here if each.laddr.port == port and not each.raddr}

    # An engine that was started in this process has mended the module already.
    monkeypatch.setattr(rendezvous, "TCPStore", torch.distributed.TCPStore)
    assert heard_on() == {"::"}
    meeting.repair(rendezvous)
    assert heard_on() == {"127.0.0.1"}


def test_two_hosts_share_no_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.distributed.device_communicators import cpu_communicator

    shared = cpu_communicator._CPUSHMDistributed
    monkeypatch.setenv("VLLM_DIST_IDENT", "29500")
    group = SimpleNamespace(unique_name="tp:0", ranks=[0, 1])

    def names() -> set[str]:
        found = set()
        for host in ("one", "two"):
            monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
            found.add(shared.make_group_name(group))
        return found

    assert len(names()) == 1
    with repaired(segments.repair, cpu_communicator, shared):
        assert len(names()) == 2


def test_ray_knows_no_name_for_a_cpu() -> None:
    from vllm.platforms.cpu import CpuPlatform

    from serving.pools.sharding.pretended_gpus import PretendedGpus

    assert CpuPlatform.ray_device_key == ""
    assert PretendedGpus.ray_device_key == "GPU"
