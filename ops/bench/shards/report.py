"""Prediction beside measurement, as a table and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ops.bench.shards.shapes import Case
from serving.layout import Sizes

AIM: Final = 0.15
"""A prediction this near to its measurement is good enough to plan by."""


@dataclass(frozen=True, slots=True)
class Measured:
    case: Case
    seconds: float

    @property
    def ratio(self) -> float:
        """Above 1: the GPU takes longer than was predicted."""
        return self.seconds / self.case.predicted_s

    @property
    def near(self) -> bool:
        return abs(self.ratio - 1) <= AIM


def as_json(
    measured: Sequence[Measured], model: str, sizes: Sizes, gpu: str, device: str
) -> dict[str, Any]:
    """On a CPU a prediction for a GPU says nothing, so no ratio is given."""
    real = device != "cpu"
    return {
        "model": model,
        "precision": "bf16",
        "sizes": asdict(sizes),
        "planned_for": gpu,
        "measured_on": device,
        "smoke": not real,
        "aim": AIM,
        "near": sum(one.near for one in measured) if real else None,
        "rows": [_row(one, real) for one in measured],
    }


def _row(one: Measured, real: bool) -> dict[str, Any]:
    case = one.case
    return {
        "phase": case.phase,
        "part": case.part.name,
        "tokens": case.tokens,
        "context": case.context,
        "shape": asdict(case.shape),
        "predicted_s": case.predicted_s,
        "measured_s": one.seconds,
        "ratio": one.ratio if real else None,
        "limited_by": case.part.limited_by,
        "attained_flops_per_s": case.part.flops / one.seconds,
        "attained_bytes_per_s": case.part.bytes / one.seconds,
    }


def as_table(report: Mapping[str, Any]) -> str:
    sizes = report["sizes"]
    cut = ", ".join(f"{name} {size}" for name, size in sizes.items())
    lines = [
        f"{report['model']} in bf16, one rank of {cut}; predicted for {report['planned_for']},"
        f" measured on {report['measured_on']}",
        "",
        f"{'phase':8} {'part':12} {'tokens':>7} {'context':>7} {'predicted':>12} {'measured':>12}"
        f" {'ratio':>6} {'TFLOP/s':>8} {'TB/s':>6}  predicted to wait for",
        *map(_line, report["rows"]),
        "",
    ]
    if report["smoke"]:
        lines.append("A smoke run with small shapes on a CPU: the times say nothing of a GPU.")
    else:
        near, rows = report["near"], len(report["rows"])
        lines.append(f"{near} of {rows} predictions are within {report['aim']:.0%}.")
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return (
        f"{row['phase']:8} {row['part']:12} {row['tokens']:>7,} {row['context']:>7,}"
        f" {row['predicted_s'] * 1e6:>9,.1f} us {row['measured_s'] * 1e6:>9,.1f} us {ratio:>6}"
        f" {row['attained_flops_per_s'] / 1e12:>8.2f} {row['attained_bytes_per_s'] / 1e12:>6.2f}"
        f"  {row['limited_by']}"
    )
