"""`docs/bench.md`, written from a run.

python -m ops.bench.document < bench.json > docs/bench.md
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from ops.bench.measure import PROMPT_TOKENS
from ops.bench.report import as_table

BUSY_CORES: Final = 0.3
"""More than this before the run began: something else was computing. With nothing beside it such a
machine reads 0 to 0.05."""

HEAD = """\
# What the gateway costs

`bifocal bench --json bench.json --plot docs/bench.png` runs all contenders side by side, in one
run, and `python -m ops.bench.document < bench.json > docs/bench.md` writes this page. All are asked
in interleaved rounds by one load generator, which checks that each answer is whole. A figure is the
median over the rounds of a ratio (or difference) taken within each round; its interval is of order
statistics and holds the true median with the probability beside it.

A load is so many clients, each with its next request as soon as its last is answered. A request is
one of sixteen prompts of one sentence ({shortest} to {longest} tokens, the template included),
greedy, without thinking, and its answer is cut at exactly the tokens that the load names. All below
is of such short requests to a very small model: it is the gateway that is measured, not an engine.

- **bare vLLM**: vLLM's OpenAI server with the same weights and arguments, alone. Neither it nor the
  default ingress has Bifocal's plugins of vLLM, which are in a replica: its processes nap on a CPU
  while they wait for each other (`serving/pools/turning.py`), and a stream without thinking is not
  searched for thinking anew with each token (`serving/pools/counting.py`).
- **replica**: straight to the port of a replica of `bifocal up`, through its door.
- **gateway**: the endpoint of the same `bifocal up`, with a key.
- **default ingress**: Ray Serve LLM's `build_openai_app` with the same engine and its defaults: an
  access log, the engine's metrics through Ray's agent, one ingress replica or more as it scales.
- **mock**: an upstream that answers at once; **pass-through, mock**: a bare ASGI application before
  it that parses and rewrites the body and nothing else; **gateway, mock**: the real gateway process
  before it, with authentication, limits, decision and metrics. One process each.

**Cores busy** are those of all processes of a contender and of the load generator; the CPU for
1,000 tokens is without the generator's. vLLM plans no step ahead on a CPU, so its core and its
worker take turns: likely why an engine leaves some idle.
"""


def document(report: Mapping[str, Any]) -> str:
    machine, settings = report["machine"], report["settings"]
    parts = (
        f"{measured(machine)}: {settings['model']}, {settings['rounds']} rounds of "
        f"{settings['seconds']:g} s for each contender and load; "
        "figures with `mock` in their names are of the mock in a model's place.",
        *warning(machine),
        as_table(report),
        "![the run as a picture](bench.png)",
    )
    shortest, longest = PROMPT_TOKENS
    head = HEAD.format(shortest=shortest, longest=longest)
    return head + "\n" + "\n\n".join(parts) + "\n"


def measured(machine: Mapping[str, Any]) -> str:
    """When, and on what."""
    return (
        f"Measured {machine['at'][:10]} on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gib']:g} GiB, no GPU, Python {machine['python']}"
    )


def warning(machine: Mapping[str, Any]) -> tuple[str, ...]:
    if (busy := machine["busy_cores_before"]) <= BUSY_CORES:
        return ()
    return (
        f"**The machine was busy with other work ({busy:.2f} cores of it before the run): the "
        "figures below are noise until the run is repeated on a quiet one.**",
    )


if __name__ == "__main__":
    print(document(json.load(sys.stdin)), end="")
