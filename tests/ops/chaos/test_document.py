"""The page that a run becomes."""

from dataclasses import replace
from typing import Any

from ops.chaos.document import document
from ops.chaos.report import as_json
from ops.chaos.tally import row
from tests.ops.chaos.test_tally import OUTAGE, VICTIM

MACHINE: dict[str, Any] = {
    "at": "2026-11-24T12:00:00Z", "cores": 2, "cpu": "EPYC", "memory_gib": 23.5, "python": "3.11.7",
}  # fmt: skip


def report(*problems: str, **changes: Any) -> dict[str, Any]:
    outage = replace(row(OUTAGE, VICTIM, replicas=1), **changes)
    settings = {"clients": 3, "replicas": 1, "stuck_after_s": 10.0}
    return as_json([outage], problems, MACHINE, **settings)


def page(*problems: str, **changes: Any) -> str:
    return document(report(*problems, **changes))


def test_it_shows_the_signal_the_times_and_the_losses() -> None:
    assert (
        "| core-killed | SIGKILL to the engine's core | 1.5 s | 65.0 s | 61.0 s |"
        " 4 | 2 | 0 | 1 | 0 | 0 | no |"
    ) in page()
    assert "| core-killed | refused: 503 | 2 |" in page()
    assert "`stuckAfter: 10s`" in page()


def test_what_never_came_is_a_dash_and_what_was_not_tried_is_told() -> None:
    assert "| - | 65.0 s |" in page(out_of_routing_s=None)
    assert "**Not tried**: the service has ended" in page("the service has ended")


def test_the_head_is_explained_where_it_was_killed() -> None:
    assert "Ray's head on one machine" in page(fault="head-killed")
    assert "Ray's head on one machine" not in page()


def test_nodes_have_a_table_of_their_own() -> None:
    told = document(report(), report(fault="node-killed", process="one node of two"))
    first, second = told.split("## On two nodes")
    assert "node-killed" not in first
    assert "| node-killed | SIGKILL to one node of two | 1.5 s |" in second
    assert "## On two nodes" not in page()
