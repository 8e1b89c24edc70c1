"""`docs/start.md`, written from a run.

python -m ops.bench.start_document < start.json > docs/start.md
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from ops.bench.document import measured, warning
from ops.bench.start import as_table

HEAD = """\
# Where a cold start goes

`bifocal status` shows it for each pool, step by step, while it starts and after, and
`bifocal status --json` has it in `pools[].start`. Each process of a replica says on its standard
error when a step is done (`bifocal start: <seconds since the epoch> <step>`), so it is in Ray's log
of the replica on whatever node that is, also where the start failed. A step begins where the one
before it ended, whatever ran beside it.

- **process**: Ray places the replica and starts its process, Serve makes the instance.
- **imports**: vLLM's front end and Ray's LLM server, in the replica's own process.
- **engine core**: the engine's configuration; the core's process and its imports.
- **workers**: their processes and imports. Where Ray starts them (GPUs) they are a part of the
  next step.
- **weights**: devices, communication between ranks, the weights of all of them.
- **compile, profile**: the first pass through the model, which compiles it on a GPU.
- **KV cache, graphs**: memory for keys and values; on a GPU the CUDA graphs.
- **engine answers**, **warm-up**, **server**: the scheduler and the front end's side of it; a
  greedy, a sampled and a logprobs request; the HTTP application.

A small engine's start is Python's imports, three times over and one after the other: replica, core,
worker. On a CPU a fork server (`serving/pools/forkserver.py`) imports for core and workers while
the replica imports for itself, and both are forked from it where it stands. It ends with its
replica, and so do they, also when it is killed. `BIFOCAL_FORK_SERVER: "0"` in a model's `env` turns
it off; on GPUs, and where threads are bound to cores, there is none.

What an engine compiles is kept for the next start: on one machine in `~/.cache/bifocal`, on
Kubernetes in `.cache` of the volume of the weights where there is one, and else as long as the pod
lives.

`bifocal bench --start --rounds 3 --json start.json` measures it, and
`python -m ops.bench.start_document < start.json > docs/start.md` writes this page. Each contender
starts in a Ray cluster of its own that is up before the clock starts; the clock runs from
`serve.run` to ready. Rounds are interleaved; a ratio is the median over the rounds of ratios within
each round.

- **plain direct ingress**: Ray Serve LLM's own deployment with the same engine, as it comes. It is
  ready before it is warm.
- **pool, no fork server**: what `bifocal up` deploys, with the fork server turned off. It leaves
  out two processes that Ray's own starts, and is warm when it is ready.
- **pool**: what `bifocal up` deploys.
"""


def document(report: Mapping[str, Any]) -> str:
    machine, settings = report["machine"], report["settings"]
    equal = "the same" if report["answers_are_equal"] else "**not the same**"
    parts = (
        f"{measured(machine)}: {settings['model']}, "
        f"{settings['rounds']} rounds. The first answers, greedy, were {equal} for all.",
        *warning(machine),
        as_table(report),
    )
    return HEAD + "\n" + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(document(json.load(sys.stdin)), end="")
