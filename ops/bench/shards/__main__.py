"""`python -m ops.bench.shards`: exit codes 0 measured, 2 no such GPU here or bad input."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Final

from ops.bench.shards.report import Measured, as_json, as_table
from ops.bench.shards.shapes import Case, cases, planned, smoke
from serving.layout import Demand, Sizes
from serving.layout.gpus import KINDS, GpuKind, kind

BAD_INPUT: Final = 2
SMALL: Final[tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = (((1, 64), (8, 64)), (128,))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code. Standard output is the report alone."""
    asked = _parser().parse_args(arguments)
    gpu = kind(asked.gpu)
    if problem := _unfit(gpu, asked.device):
        print(f"ops.bench.shards: {problem}", file=sys.stderr)
        return BAD_INPUT
    chosen = smoke(gpu) if asked.device == "cpu" else planned(gpu, asked.nodes)
    if chosen is None:
        print(
            f"ops.bench.shards: the 235B in bf16 does not fit on {asked.nodes} x 8 x {gpu.name};"
            " ask for more --nodes",
            file=sys.stderr,
        )
        return BAD_INPUT
    demand, sizes = chosen
    measured = _measured(demand, sizes, asked.device)
    report = as_json(measured, demand.model.name, sizes, gpu.name, _device_name(asked.device))
    print(json.dumps(report, indent=2) if asked.json else as_table(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench.shards",
        description="Measure the shards of qwen3-235b-a22b on one GPU, beside the prediction.",
    )
    parser.add_argument("--gpu", choices=tuple(KINDS), required=True, help="what is predicted for")
    parser.add_argument("--nodes", type=int, choices=range(1, 17), default=2, metavar="1-16")
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a smoke run, small shapes"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    return parser


def _unfit(gpu: GpuKind, device: str) -> str | None:
    """Why nothing can be measured here."""
    try:
        import torch  # noqa: PLC0415 - seconds, and an engine's extra
    except ModuleNotFoundError:
        return "torch is not installed: pip install 'bifocal[gpu]'"
    if device == "cpu":
        return None
    if not torch.cuda.is_available():
        return "this machine has no CUDA device; --device cpu shows that the command works"
    name, found = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    if found != gpu.capability:
        wanted, seen = (".".join(map(str, each)) for each in (gpu.capability, found))
        return f"--gpu {gpu.name} has compute capability {wanted}; found {name} with {seen}"
    return None


def _device_name(device: str) -> str:
    import torch  # noqa: PLC0415

    return str(torch.cuda.get_device_name()) if device == "cuda" else "cpu"


def _measured(demand: Demand, sizes: Sizes, device: str) -> list[Measured]:
    from ops.bench.shards.kernels import runs  # noqa: PLC0415 - imports torch
    from ops.bench.shards.timing import seconds  # noqa: PLC0415

    def one(case: Case) -> Measured:
        print(f"{case.phase} {case.tokens} {case.part.name}", file=sys.stderr)
        return Measured(case, seconds(runs(case.shape, device), device))

    loads = SMALL if device == "cpu" else None
    return [one(case) for case in (cases(demand, sizes, *loads) if loads else cases(demand, sizes))]


if __name__ == "__main__":
    sys.exit(main())
