"""`docs/metrics.md`, written from the tables.

python -m ops.metrics.reference > docs/metrics.md
"""

from collections.abc import Sequence

from ops.metrics.engine import ENGINE
from ops.metrics.labels import MAX_TEAMS
from ops.metrics.process import PROCESS
from ops.metrics.ray import RAY
from ops.metrics.replica import REPLICA
from ops.metrics.table import TABLE, Metric

HEAD = f"""\
# Metrics

What is watched, by who counts it: the gateway, the engines, Ray, and each process of itself.
`bifocal config prometheus` prints a configuration that finds them; [dashboards.md](dashboards.md)
shows them; [watched.md](watched.md) says what it costs to have them read.

## The gateway

`GET /metrics` of the gateway answers in Prometheus' text format.

- `model` and `thinking` (`on`, `off`) say where the router sent a request; both are `none`
  where it was refused before a decision.
- `team` is the team of the key, `open` while the endpoint has no keys. The first {MAX_TEAMS} teams
  have a label of their own; further ones share `other`.
- `outcome`: `ok`, `client_error` (4xx), `rejected` (429, or 503 while a pool loads),
  `engine_error`, `timeout`, `aborted` (the client hung up).
- Latencies are the gateway's: from a request's first byte, queueing and prefill included.

"""

COLUMNS = """\
| metric | kind | unit | labels | meaning |
|---|---|---|---|---|
"""

PROCESSES = """
## Each process

Gateways and replicas tell these of themselves.

"""

ENGINES = """
## The engines

Counted by vLLM and read from each replica's own page, through the gateway (`GET /metrics/targets`
lists them). Discovery adds `model` and `replica`; vLLM's own `model_name` stands beside them.
`engine` is 0 unless a replica holds several. These are the ones that dashboards and alerts read;
vLLM has more on the same page.

"""

REPLICAS = """
On that page, the replica's own:

"""

RAYS = """
## Ray

From the agent of each node of Ray's. What it passes on is not exact: gauges that were not set for
half a minute are gone, sums of histograms are made up from their buckets, and a counter begins with
its first event. `application` is the pool.

"""

TAIL = """
## Questions and their queries

| question | query |
|---|---|
| aborted requests a second | `sum by (model) (rate(bifocal_requests_total{outcome="aborted"}[5m]))` |
| share of requests that failed on our side | `sum(rate(bifocal_requests_total{outcome=~"engine_error\\|timeout"}[5m])) / sum(rate(bifocal_requests_total[5m]))` |
| TTFT, 95th percentile | `histogram_quantile(0.95, sum by (le, model, thinking) (rate(bifocal_time_to_first_token_seconds_bucket[5m])))` |
| share of streams within a promise of 500 ms | `sum(rate(bifocal_time_to_first_token_seconds_bucket{le="0.5"}[5m])) / sum(rate(bifocal_time_to_first_token_seconds_count[5m]))` |
| output tokens a second by team | `sum by (team) (rate(bifocal_answer_tokens_total[5m])) + sum by (team) (rate(bifocal_reasoning_tokens_total[5m]))` |
| share of requests that think | `sum(rate(bifocal_router_decisions_total{thinking="on"}[1h])) / sum(rate(bifocal_router_decisions_total[1h]))` |
"""  # noqa: E501 - a row of a table is one line


def document() -> str:
    buckets = "".join(_buckets(row) for row in TABLE if row.buckets)
    return (
        f"{HEAD}{_table(TABLE)}\n### Buckets\n\n{buckets}{PROCESSES}{_table(PROCESS)}"
        f"{ENGINES}{_table(ENGINE)}{REPLICAS}{_table(REPLICA)}{RAYS}{_table(RAY)}{TAIL}"
    )


def _table(rows: Sequence[Metric]) -> str:
    return COLUMNS + "".join(map(_line, rows))


def _line(row: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels) or "-"
    return f"| `{row.name}` | {row.kind} | {row.unit} | {labels} | {row.meaning} |\n"


def _buckets(row: Metric) -> str:
    return f"- `{row.name}`: {', '.join(f'{bound:g}' for bound in row.buckets)} {row.unit}\n"


if __name__ == "__main__":
    print(document(), end="")
