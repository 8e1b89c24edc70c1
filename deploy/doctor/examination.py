"""The whole examination: this machine, and the cluster where there is one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.job import Report
from deploy.doctor.machine import Machine, Needs, Port, differences, of_machine, of_port
from deploy.doctor.reduction import Asked, found

NO_CLUSTER: Final = "start it with `bifocal up`, or name its head: --ray-address HOST:PORT"


@dataclass(frozen=True, slots=True)
class Here:
    """This machine, on which the gateway is to listen."""

    machine: Machine
    needs: Needs
    port: Port


def of_here(here: Here) -> Iterator[Finding]:
    yield from of_machine(here.machine, here.needs)
    yield of_port(here.port)


def of_cluster(report: Report, asked: Sequence[Asked], here: Here) -> Iterator[Finding]:
    """This machine is not told twice where it is one of the nodes."""
    yield _nodes(report)
    machines = [node.machine for node in report.nodes if node.machine is not None]
    needs = Needs(None, here.needs.ranks, here.needs.own_cluster)
    for machine in machines:
        if machine.name != here.machine.name:
            yield from of_machine(machine, needs)
    yield from differences(machines)
    for one, reduced in zip(asked, report.reduced, strict=True):
        yield found(one, reduced)


def of_no_cluster(asked: Sequence[Asked], why: str | None) -> Iterator[Finding]:
    """`why` one that was named does not answer; None where none is there."""
    if why is not None:
        yield Finding("cluster", Verdict.FAIL, why, "see that Ray's head runs there")
    elif asked:
        pools = ", ".join(each.pool for each in asked)
        seen = f"no cluster runs here: the ranks of {pools} are not tried"
        yield Finding("cluster", Verdict.WARN, seen, NO_CLUSTER)


def _nodes(report: Report) -> Finding:
    silent = [f"{each.name} ({each.address})" for each in report.nodes if each.machine is None]
    total = len(report.nodes)
    if silent:
        remedy = "look at its network and at Ray's log there"
        return Finding("nodes", Verdict.FAIL, f"no answer from {', '.join(silent)}", remedy)
    return Finding("nodes", Verdict.OK, f"{total} of {total} answer")
