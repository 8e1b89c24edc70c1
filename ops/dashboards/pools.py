"""Pools: replicas, their engines, and where time and memory go in them."""

from typing import Final

from ops.dashboards.board import Board, Line, Panel, Section
from ops.dashboards.query import a_second, mean, most, quantile, quantile_ever, total
from ops.metrics import Metric, engine, ray, replica, table

REPLICA: Final = ("model", "replica")
OF_REPLICA: Final = "{{model}} {{replica}}"


def _slow(row: Metric) -> tuple[Line, ...]:
    """The mean and no median: the first bucket of several of these ends at 0.3 s."""
    return (
        Line(mean(row, "model"), "mean {{model}}"),
        Line(quantile(0.95, row, "model"), "95th {{model}}"),
    )


REPLICAS: Final = Section(
    "Replicas",
    (
        Panel(
            "Replicas",
            "none",
            "How many each pool should have, and how many are ready, starting (wanted and not "
            "there yet) or failing (they failed and have not answered since).",
            "`failing` or `starting` for more than some minutes: `bifocal status` names the step "
            "that a start stands at, `bifocal doctor` what is wrong with a machine.",
            (
                Line(most(table.POOL_WANTED, "model"), "{{model}} wanted"),
                Line(most(table.POOL_REPLICAS, "model", "state"), "{{model}} {{state}}"),
            ),
        ),
        Panel(
            "In flight by replica",
            "none",
            "Requests that the gateways have on each replica.",
            "one replica above its siblings is slow or stuck: see Tokens made; with requests and "
            "no tokens it is stuck, and is replaced after `stuckAfter`.",
            (Line(total(table.REPLICA_IN_FLIGHT, *REPLICA), OF_REPLICA),),
        ),
        Panel(
            "Failures",
            "none",
            "Times a second that a replica could not be reached, failed while it answered, or took "
            "too long; and requests that were sent to another one for it.",
            "with retries and no errors (Service) clients saw nothing. Else look into the log of "
            "the replica that left In flight by replica.",
            (
                Line(a_second(table.REPLICA_FAILURES, "model", "reason"), "{{model}} {{reason}}"),
                Line(a_second(table.RETRIES, "model"), "{{model}} retries"),
            ),
        ),
        Panel(
            "Drained by an operator",
            "none",
            "1 while an operator lets a pool take nothing new.",
            "`bifocal pool resume NAME` ends it.",
            (Line(most(table.POOL_DRAINED, "model"), "{{model}}"),),
        ),
        Panel(
            "Starts",
            "ms",
            "The median of all starts that Serve has counted, to the width of its buckets: as a "
            "whole, and from when the replica's process began. The difference is the time to be "
            "placed.",
            "mostly placement: nodes are full or come late. Mostly the process: see Steps of a "
            "start.",
            (
                Line(
                    quantile_ever(0.5, ray.SERVE_STARTUP, "application"),
                    "{{application}} until ready",
                ),
                Line(
                    quantile_ever(0.5, ray.SERVE_INITIALIZATION, "application"),
                    "{{application}} of that in its process",
                ),
            ),
        ),
        Panel(
            "Steps of a start",
            "s",
            "Where the start of each pool's slowest replica went, from its process to readiness: "
            "imports, engine, weights, compiling, KV cache, warm-up. Of a replica that is still "
            "starting `bifocal status` tells.",
            "docs/start.md says what happens in each. Weights that are not on the node yet are "
            "`bifocal weights`' matter.",
            (Line(most(replica.START_STEP, "model", "step"), "{{model}} {{step}}"),),
            stacked=True,
        ),
        Panel(
            "Healthy by Serve's account",
            "none",
            "Replicas that answer Ray Serve's own health check.",
            "below Replicas, ready: Serve is about to replace one. Above: the gateway cannot reach "
            "it; look at the network between them.",
            (Line(total(ray.SERVE_HEALTHY, "application"), "{{application}}"),),
        ),
    ),
)

LOAD: Final = Section(
    "Load of the engines",
    (
        Panel(
            "Running",
            "none",
            "Requests in each engine's batch.",
            "at `max_num_seqs` all the time with Waiting above 0: add a replica.",
            (Line(total(engine.RUNNING, *REPLICA), OF_REPLICA),),
        ),
        Panel(
            "Waiting",
            "none",
            "Requests that an engine has and cannot run yet. It stands still when the engine does.",
            "more than a moment above 0: first tokens come late. Add a replica, or lower the "
            "limits of teams so that they are turned away in time.",
            (Line(total(engine.WAITING, *REPLICA), OF_REPLICA),),
        ),
        Panel(
            "KV cache in use",
            "percentunit",
            "The share of each engine's KV cache that requests hold.",
            "near 1 with preemptions, see beside: lower `max_num_seqs` or `context`, or give the "
            "engine more memory (`gpu_memory_utilization`).",
            (Line(most(engine.KV_USAGE, *REPLICA), OF_REPLICA),),
        ),
        Panel(
            "Preemptions",
            "none",
            "Requests a second that were put out of the batch to make room, to be computed again.",
            "any lasting rate is work done twice: less at a time, or more KV cache.",
            (Line(a_second(engine.PREEMPTIONS, *REPLICA), OF_REPLICA),),
        ),
        Panel(
            "Prefix cache hits",
            "percentunit",
            "Of the prompt tokens, the share that was in the cache and not computed.",
            "if it falls, prompts no longer begin alike (a date or an id at the front of a system "
            "prompt does it), or the cache is too small.",
            (
                Line(
                    a_second(engine.PREFIX_HITS, "model")
                    / a_second(engine.PREFIX_QUERIES, "model"),
                    "{{model}}",
                ),
            ),
        ),
        Panel(
            "How requests leave the engine",
            "reqps",
            "`stop`, `length` (cut at `max_tokens`), `abort` (the client hung up), `error`.",
            "much `length` where answers matter: clients ask for too few tokens.",
            (
                Line(
                    a_second(engine.FINISHED, "model", "finished_reason"),
                    "{{model}} {{finished_reason}}",
                ),
            ),
            stacked=True,
        ),
    ),
)

TIMES: Final = Section(
    "Where an answer's time goes",
    (
        Panel(
            "Queue",
            "s",
            "How long requests wait in the engine before they run. Of less than 0.3 s the mean is "
            "exact; the 95th is not, since vLLM's first bucket ends there. So it is with the two "
            "beside.",
            "this is what another replica takes away.",
            _slow(engine.QUEUE_TIME),
        ),
        Panel(
            "Prefill",
            "s",
            "From when a request runs to its first token.",
            "it grows with prompts: shorter ones, a better prefix cache, or more GPUs a replica.",
            _slow(engine.PREFILL_TIME),
        ),
        Panel(
            "Decode",
            "s",
            "From first token to last.",
            "it grows with answers; by token see beside.",
            _slow(engine.DECODE_TIME),
        ),
        Panel(
            "Between two tokens",
            "s",
            "Of an answer, as the engine makes them.",
            "if this is small and Service, Time per output token, is not, time is lost between "
            "engine and client: see Cluster, Gateways.",
            _slow(engine.INTER_TOKEN),
        ),
        Panel(
            "First token, by the engine",
            "s",
            "From a request's arrival at the engine to its first token.",
            "what Service, Time to first token, has more than this is spent before the engine.",
            _slow(engine.ENGINE_TTFT),
        ),
        Panel(
            "End to end, by the engine",
            "s",
            "From a request's arrival at the engine to its last token.",
            "compare with Service, End to end, as above.",
            _slow(engine.ENGINE_E2E),
        ),
    ),
)

TOKENS: Final = Section(
    "Tokens of the engines",
    (
        Panel(
            "Tokens made",
            "none",
            "A second, by replica, whether they were sent or not.",
            "a replica at 0 with requests in flight is stuck. All near what docs/bench.md "
            "measured: the pool is full.",
            (Line(a_second(engine.GENERATION_TOKENS, *REPLICA), OF_REPLICA),),
            width=12,
        ),
        Panel(
            "Prompt tokens taken",
            "none",
            "A second, by replica.",
            "very unlike among siblings: one gets the long prompts; see In flight by replica.",
            (Line(a_second(engine.ENGINE_PROMPT_TOKENS, *REPLICA), OF_REPLICA),),
            width=12,
        ),
    ),
)

POOLS: Final = Board(
    "pools",
    "Pools",
    "Replicas, their engines, and where time and memory go in them.",
    (REPLICAS, LOAD, TIMES, TOKENS),
)
