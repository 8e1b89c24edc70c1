"""`docs/faults.md`, written from a run on one machine and one on two nodes.

python -m ops.chaos.document faults.json nodes.json > docs/faults.md
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.bench.document import measured
from ops.chaos.report import as_table, told_table

HEAD = """\
# What faults cost

`bifocal chaos --json faults.json` starts a service of two pools, keeps both under load through the
gateway, and sends signals to its processes; `python -m tests.e2e.across_nodes --json nodes.json`
does so to nodes ([two-nodes.md](two-nodes.md)), and `python -m ops.chaos.document faults.json
nodes.json > docs/faults.md` writes this page. Each fault hits the replica of the first pool, the
gateway, or Ray's head. Seconds are counted from the signal, and what became of each request is its
client's own log.

- **out of routing**: the gateway's `/ready`, asked ten times a second, counts the replica no more.
- **answers again**: the first whole answer of the pool that is hit, after its last failure.
- **503, Retry-After**: the honest answer of a pool without a replica. Clients here ask again after
  half a second instead of after the time that they are told, so these count time, not people.
- **lost before the first byte**: any other failure before content came; where another replica is,
  such a request is tried there. **cut**: a stream that ended without a word. Both should be 0; of
  what the gateway itself had under way, nobody is left to tell.
- **error events**: streams that had begun and ended in an error that says so; where there is one
  replica alone, also those to which only comments had come.
- **lost by other pools**: answers of the other pool that were not whole, of whatever kind.

An engine that is stuck (SIGSTOP) says nothing and looks healthy. vLLM's own limit on a step of its
workers, its replica's watch over its steps, and the gateway's question to a silent replica all
follow from `stuckAfter` of the cluster file. A replica whose own process is stuck answers nobody,
and `stuckAfter` says nothing of it: the gateway prefers others within seconds, sends it nothing
more after half a minute and ends what is on it; Serve gives it up after three questions of half a
minute each. One that is given up is killed, with all of its ranks. For it, and for one that died,
Ray Serve starts another; a gateway is started again by `bifocal up`.
"""

HEAD_LOST = """\
**Ray's head on one machine**: its store (`gcs_server`) is not made again. The gateway keeps the
replicas that it knows, but Ray ends its node without a head, and the replicas with it, and `bifocal
up` then ends, because nothing would heal any more: what is lost is the service, until it is started
again, and no state, since there is none besides the cluster file.
"""

NODES = """\
## On two nodes

One replica of pocket-moe over two nodes, a head on a third that keeps its state on a disk, and a
gateway that is outside: how that is made, and why these times, is told in
[two-nodes.md](two-nodes.md). A node that is killed is off for so long that it cannot tell anybody.
"""


def document(report: Mapping[str, Any], nodes: Mapping[str, Any] | None = None) -> str:
    return HEAD + "\n" + "\n\n".join(_parts(report, nodes)) + "\n"


def _parts(report: Mapping[str, Any], nodes: Mapping[str, Any] | None) -> Iterator[str]:
    settings = report["settings"]
    yield (
        f"{measured(report['machine'])}: pocket-dense x {settings['replicas']} hit by "
        f"{settings['clients']} clients, pocket-moe by one, "
        f"`stuckAfter: {settings['stuck_after_s']:g}s`."
    )
    yield from _tables(report)
    if any(row["fault"] == "head-killed" for row in report["faults"]):
        yield HEAD_LOST.rstrip()
    if nodes is not None:
        yield NODES.rstrip()
        yield f"{measured(nodes['machine'])}: {nodes['settings']['clients']} clients."
        yield from _tables(nodes)


def _tables(report: Mapping[str, Any]) -> Iterator[str]:
    yield as_table(report)
    yield "What clients were told instead of an answer:"
    yield told_table(report)


if __name__ == "__main__":
    given = [json.loads(Path(name).read_text()) for name in sys.argv[1:3]]
    print(document(*given), end="")
