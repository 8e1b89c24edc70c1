"""The command, run for real with small shapes on a CPU, and what it says where there is no GPU."""

import json

import pytest

from ops.bench.shards import __main__ as command
from ops.bench.shards.report import Measured, as_json, as_table
from ops.bench.shards.shapes import cases, smoke
from serving.layout.gpus import kind

torch = pytest.importorskip("torch")
H100 = kind("h100-80g")


@pytest.mark.process
def test_a_smoke_run_measures_every_part_and_gives_no_ratio(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--gpu", "h100-80g", "--device", "cpu", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["smoke"], report["measured_on"], report["near"]) == (True, "cpu", None)
    assert {(row["phase"], row["part"]) for row in report["rows"]} == {
        (phase, part)
        for phase in ("decode", "prefill")
        for part in ("projections", "attention", "experts")
    }
    assert all(row["measured_s"] > 0 and row["ratio"] is None for row in report["rows"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_ends_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--gpu", "h100-80g"]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "no CUDA device; --device cpu" in seen.err


def test_an_unknown_gpu_is_refused_with_the_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--gpu", "h100"])
    assert ended.value.code == 2
    assert "h100-80g" in capsys.readouterr().err


def test_experts_mix_each_row_through_its_own_expert() -> None:
    from ops.bench.shards.kernels import mix

    torch.manual_seed(0)
    x, gate_up, down = (
        torch.randn(*size, dtype=torch.bfloat16) for size in ((5, 16), (2, 16, 64), (2, 32, 16))
    )
    order, ends = torch.tensor([4, 2, 0, 1, 3]), torch.tensor([2, 5], dtype=torch.int32)
    found = mix(x, order, ends, gate_up, down)
    for place, row in enumerate(order.tolist()):
        expert = 0 if place < 2 else 1
        gate, up = (x[row] @ gate_up[expert]).chunk(2)
        by_hand = (torch.nn.functional.silu(gate) * up) @ down[expert]
        torch.testing.assert_close(found[row], by_hand, rtol=0.05, atol=0.5)


def test_a_real_run_says_how_many_predictions_are_near() -> None:
    demand, sizes = smoke(H100)
    one, two, three = list(cases(demand, sizes))[:3]
    measured = [
        Measured(one, one.predicted_s * 1.1),
        Measured(two, two.predicted_s * 2),
        Measured(three, three.predicted_s * 0.9),
    ]
    report = as_json(measured, "pocket-moe", sizes, "h100-80g", "NVIDIA H100")
    assert [row["ratio"] for row in report["rows"]] == pytest.approx([1.1, 2.0, 0.9])
    assert "2 of 3 predictions are within 15%" in as_table(report)
