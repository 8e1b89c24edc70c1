"""Service: what its users notice, and whether it is what they were promised."""

from typing import Final

from ops.dashboards.board import Board, Line, Panel, Section
from ops.dashboards.query import Query, a_second, most, quantile, total, within
from ops.metrics import Metric, table

BY_PROMISE: Final = ("promise", "model", "thinking")
BY_ROUTE: Final = ("model", "thinking")
OF_ROUTE: Final = "{{model}} thinking {{thinking}}"
OF_PROMISE: Final = "{{promise}} of " + OF_ROUTE
OBJECTIVE: Final = most(table.OBJECTIVE, "promise", "thinking")


def _broken(over: str) -> Query:
    """The share of promises that were not kept in so long."""
    no = within(table.PROMISES, over, *BY_PROMISE, kept="no")
    return no / within(table.PROMISES, over, *BY_PROMISE)


def _burns(over: str) -> Query:
    """How many times faster than the budget allows."""
    return _broken(over).lacks(OBJECTIVE, "promise", "thinking")


def _times(row: Metric) -> tuple[Line, ...]:
    return tuple(
        Line(quantile(q, row, *BY_ROUTE), f"{name} {OF_ROUTE}")
        for q, name in ((0.5, "median"), (0.95, "95th"))
    )


def _promised(promise: str) -> Line:
    seconds = most(table.PROMISED_SECONDS, "thinking", promise=promise)
    return Line(seconds, "promised, thinking {{thinking}}")


PROMISES: Final = Section(
    "Promises",
    (
        Panel(
            "Budget left of 30 days",
            "percentunit",
            "Of the requests that may break a promise in 30 days, the share that has not yet. "
            "Below 0 it is overspent. A pair that nobody asked in that time has no number.",
            "under 25 %, put off risky changes; under 0, none but repairs. Which promise breaks, "
            "and since when, is beside.",
            (Line(_burns("30d").left(), OF_PROMISE),),
            at_a_glance=True,
        ),
        Panel(
            "Promises kept",
            "percentunit",
            "The share of requests that kept what `slo` promises, exactly, as the gateway counted "
            "them: first token, time per token, an answer at all.",
            "where one falls, look whether it is the first token (waiting: see Pools, Waiting), "
            "the time per token (batches too large, KV cache full) or availability (Errors, "
            "below).",
            (
                Line(
                    a_second(table.PROMISES, *BY_PROMISE, kept="yes")
                    / a_second(table.PROMISES, *BY_PROMISE),
                    OF_PROMISE,
                ),
            ),
        ),
        Panel(
            "How fast the budget burns",
            "none",
            "Times faster than the budget allows, over the last hour: 1 uses it up in 30 days, "
            "14.4 takes 2 % of it in an hour and calls someone.",
            "above 6, open the runbook of the alert; between 1 and 6, find the change that began "
            "it: the marks are deploys and scaling.",
            (Line(_burns("1h"), OF_PROMISE),),
        ),
    ),
)

SPEED: Final = Section(
    "Speed",
    (
        Panel(
            "Time to first token",
            "s",
            "From a request's first byte to the first token sent to the client, streams only, and "
            "what is promised.",
            "if it rises with Pools, Waiting, there are too few replicas; if it rises alone, "
            "prompts have grown (Tokens) or a replica is slow (Pools, Prefill).",
            (*_times(table.TTFT), _promised("ttft")),
        ),
        Panel(
            "Time per output token",
            "s",
            "The mean of each stream after its first token, and what is promised.",
            "if it rises with Pools, Running, lower `max_num_seqs` or add a replica; if "
            "preemptions rise with it, the KV cache is too small for `context`.",
            (*_times(table.TPOT), _promised("tpot")),
        ),
        Panel(
            "End to end",
            "s",
            "Whole answers, from first byte to last.",
            "longer answers are not slower ones: compare with Time per output token and with "
            "Decisions, Thinking tokens of an answer.",
            _times(table.E2E),
        ),
    ),
)

ANSWERS: Final = Section(
    "Answers",
    (
        Panel(
            "Goodput",
            "reqps",
            "Requests a second that kept each promise. An answer is good if it kept all that it "
            "was under, so goodput is at most the lowest line of a model.",
            "if it falls while Requests does not, promises break: see above. If both fall, clients "
            "ask less, or do not reach the gateway.",
            (Line(a_second(table.PROMISES, *BY_PROMISE, kept="yes"), OF_PROMISE),),
        ),
        Panel(
            "Requests by how they ended",
            "reqps",
            "`ok`, `client_error`, `rejected` (a limit, or a pool that loads), `engine_error`, "
            "`timeout`, `aborted` (the client hung up).",
            "many `aborted`: people do not wait, see Time to first token. `rejected`: see Errors "
            "for the code. `engine_error`: Pools, Failures.",
            (Line(a_second(table.REQUESTS, "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Errors by code",
            "reqps",
            "What clients were told, by the error's code. A code appears with its first error, "
            "and its first one shows in no rate.",
            "docs/api.md has each code with its cause. `rate_limited` and `too_many_requests` are "
            "limits of a team: raise them, or talk to the team.",
            (Line(a_second(table.ERRORS, "endpoint", "code"), "{{endpoint}} {{code}}"),),
            stacked=True,
        ),
    ),
)

TEAMS: Final = Section(
    "Teams",
    (
        Panel(
            "Requests by team",
            "reqps",
            "Who asks. The first hundred teams have a name here, the others are `other`.",
            "if one team has grown at the others' cost, set its limits in the key file.",
            (Line(a_second(table.REQUESTS, "team"), "{{team}}"),),
            stacked=True,
        ),
        Panel(
            "Output tokens by team",
            "none",
            "Tokens a second, answers and thinking: what the time of the engines goes into.",
            "a team whose thinking dominates may do with `fast`, or with a smaller `max_tokens`.",
            (
                Line(a_second(table.ANSWER_TOKENS, "team"), "{{team}} answers"),
                Line(a_second(table.REASONING_TOKENS, "team"), "{{team}} thinking"),
            ),
            stacked=True,
        ),
        Panel(
            "In flight",
            "none",
            "Requests that were admitted and have not ended, over all gateways.",
            "a line that only climbs is a pool that hangs: Pools, In flight by replica, says "
            "which.",
            (Line(total(table.IN_FLIGHT), "in flight"),),
        ),
    ),
)

SERVICE: Final = Board(
    "service",
    "Service",
    "What users notice: promises kept, budget left, speed, errors.",
    (PROMISES, SPEED, ANSWERS, TEAMS),
)
