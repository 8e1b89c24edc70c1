"""One replica over two nodes: what it answers, what the doctor says of its network, and what it
costs to lose a node or the head.

    python -m tests.e2e.across_nodes --json nodes.json > docs/two-nodes.md
    python -m ops.chaos.document faults.json nodes.json > docs/faults.md

It takes about fifteen minutes, and needs root: the nodes are namespaces (`tests.e2e.nodes`).
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from openai import OpenAIError

from ops.bench import document
from ops.bench.bench import machine_facts
from ops.chaos.faults import FAULTS, NODES_KILLED, Fault, Role
from ops.chaos.report import as_json, as_table, told_table
from ops.chaos.tally import Row
from tests.e2e.conftest import until
from tests.e2e.identity import Identity, whole
from tests.e2e.nodes import RANKS, why_not
from tests.e2e.pool_on_nodes import CLIENTS, HEAD_OFF_S, OFF_S, READY_S, Served, served
from tests.e2e.two_nodes import PATIENCE, POOL, two_nodes

(REPLICA_KILLED,) = (fault for fault in FAULTS if fault.name == "replica-killed")
(HEAD_KILLED,) = (fault for fault in NODES_KILLED if fault.role is Role.HEAD_NODE)
ORDER: Final = (
    HEAD_KILLED,
    REPLICA_KILLED,
    *(each for each in NODES_KILLED if each != HEAD_KILLED),
)
DOCTOR_LIMIT_S: Final = 15


def measured(save: Callable[[dict[str, Any]], None]) -> None:
    """JSON-ready, saved with each step: it takes long. The head is lost first, so that what heals
    all that comes after it is a head that has read its state. What could not be tried is told
    beside what was."""
    machine, identity = machine_facts(), whole()
    rows: list[Row] = []
    problems: list[str] = []
    with two_nodes() as nodes:
        found: dict[str, Any] = {"all_reduce": nodes.examined().all_reduce}
        with nodes.cut_off(nodes.nodes[1]):
            cut = nodes.examined("--limit", str(DOCTOR_LIMIT_S))
        found["cut"] = [{key: each[key] for key in ("seen", "remedy")} for each in cut.of("fail")]
        with served(nodes) as pool:
            found["identity"] = {"at first": _same(pool, identity)}
            for fault in ORDER:
                try:
                    rows.append(_lost(pool, fault))
                    until(pool.is_ready, what="the pool", limit_s=READY_S)
                    found["identity"][f"after {fault.name}"] = _same(pool, identity)
                except (ExceptionGroup, ValueError, AssertionError, OSError, OpenAIError) as error:
                    problems.append(f"{fault.name}: {error}")
                print(rows[-1:], problems[-1:], file=sys.stderr)
                save({**as_json(rows, problems, machine, clients=CLIENTS, replicas=1), **found})


def _lost(pool: Served, fault: Fault) -> Row:
    print(f"{fault.name}: {fault.signal.name} to {fault.role}", file=sys.stderr)
    until(pool.is_ready, what="the pool", limit_s=READY_S)
    return pool.hit_replica(fault) if fault is REPLICA_KILLED else pool.lose(fault)


def _same(pool: Served, identity: Identity) -> dict[str, Any]:
    """Answers that are a whole engine's, and what the ranks sent each other for them."""
    before = [node.bytes_sent(RANKS) for node in pool.on.nodes]
    told = asyncio.run(pool.answers(identity.prompts))
    sent = [node.bytes_sent(RANKS) - was for node, was in zip(pool.on.nodes, before, strict=True)]
    return {
        "asked": len(told),
        "same": sum(a == b for a, b in zip(told, identity.whole.text, strict=True)),
        "tokens": sum(map(len, identity.whole.tokens)),
        "sent": sum(sent),
    }


def page(found: Mapping[str, Any]) -> str:
    parts = {"identity": _identity, "all_reduce": _network, "faults": _losses}
    told = [line for key, part in parts.items() if key in found for line in part(found)]
    return "\n".join([*_head(found), *told, ""])


def _head(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"""# One replica over two nodes

Made by `python -m tests.e2e.across_nodes --json nodes.json > docs/two-nodes.md`. The cluster is the
chart's: a head without ranks, and two nodes with room for one rank each. A node is a raylet in
namespaces of its own (network, mounts, IPC, host name, processes) with its own `/dev/shm` and disk,
so that nothing but two networks joins them: one for Ray and requests, one for the ranks. Killing
the first process of its namespaces is a node that loses its power, and a port of the switch that is
taken down is a cable that is pulled. {POOL} (mixture of experts) stands on both as one replica of
two pipeline stages, started by Ray as on GPUs, behind a gateway that is outside.
`tests/e2e/test_two_nodes.py` holds what is told here.

{document.measured(found["machine"])}, all of it on this one machine."""
    if "note" in found:
        yield f"\n{found['note']}"


def _identity(found: Mapping[str, Any]) -> Iterator[str]:
    first = found["identity"]["at first"]
    yield f"""
## The same tokens

In float32, asked {first["asked"]} questions whose answers all differ ({first["tokens"]:,} greedy
tokens), through the gateway, all at once:

| when | answers that are a whole engine's | the ranks sent each other |
| --- | --- | --- |"""
    for when, each in found["identity"].items():
        yield f"| {when} | {each['same']} of {each['asked']} | {each['sent'] / 1e6:.1f} MB |"


def _network(found: Mapping[str, Any]) -> Iterator[str]:
    yield """
## The network, before anything is loaded

`bifocal doctor --config FILE --ray-address HEAD:6379` lets ranks that are placed as the pool's will
be sum numbers over the network that the file names:

| bytes | seconds |
| --- | --- |"""
    for each in found["all_reduce"][0]["times"]:
        yield f"| {each['bytes']:,} | {each['seconds']:.4f} |"
    if "cut" not in found:
        return
    yield f"""
With the cable of one node pulled, and `--limit {DOCTOR_LIMIT_S}`, it ends with exit code 1 and:
"""
    for each in found["cut"]:
        yield from (f"> {line}".rstrip() for line in (*each["seen"].splitlines(), *_remedy(each)))


def _remedy(finding: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield from (finding["remedy"] or "").splitlines()


def _losses(found: Mapping[str, Any]) -> Iterator[str]:
    limits = "`, `".join(f"{name}={value}" for name, value in PATIENCE.items())
    yield f"""
## A node is lost

Under the load of {CLIENTS} clients, in this order. A node is off for {OFF_S:g} s, the head for
{HEAD_OFF_S:g} s; then it is on again with an empty disk, and joins. Columns and counts are those of
[faults.md](faults.md).

{as_table(found)}

What clients were told instead of an answer:

{told_table(found)}

- **Who finds it.** A node without power refuses nothing: what was sent to it hangs. The gateway
  asks a replica that has said nothing for three seconds how it is. The replica itself, where it is
  the other node that is gone, knocks there as soon as it has work and takes no step
  (`serving/pools/neighbours.py`), instead of waiting as long as a step may take, which is a minute
  and more. Ray misses a node that does not answer; the chart tells its head to do so within 24 s
  (`{limits}`),
  where Ray's own are 65, as no replica comes back before that.
- **The head.** Its state is on a disk that outlives it (`RAY_gcs_storage=rocksdb`), and nodes wait
  for it for ten minutes (`RAY_gcs_rpc_server_reconnect_timeout_s=600`, KubeRay's own). While it is
  away the gateway keeps the targets that it knows, and the replica answers on. The head that comes
  back starts Ray Serve's controller anew, which takes over each replica that can tell it where its
  log is. vLLM closes that log as it is imported, so ours keep it (`serving/pools/logs.py`,
  [told](upstream/closed-log.md)); before, a head that came back replaced every one of them."""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--json", name]:
            file = Path(name)
        case _:
            sys.exit("usage: python -m tests.e2e.across_nodes --json FILE > docs/two-nodes.md")
    if why := why_not():
        sys.exit(f"no nodes here: {why}")

    def save(found: dict[str, Any]) -> None:
        file.write_text(json.dumps(found, indent=2) + "\n")

    measured(save)
    sys.stdout.write(page(json.loads(file.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
