"""What vLLM's engines count and we look at: rows of its own registry, under its own names.

Prometheus reads them from each replica's page, through the gateway (`serving.gateway.scrape`), so
counters and histograms are vLLM's exact ones, and discovery gives every series `model` and
`replica`. All of them are there from an engine's start, with 0. A test holds each row to the
source of the vLLM that is installed. The rest of what vLLM counts is on the same page.
"""

from typing import Final

from ops.metrics.table import Kind, Metric

FOUND: Final = ("model", "replica")
"""By discovery."""
BY_ENGINE: Final = (*FOUND, "engine")

RUNNING: Final = Metric(
    "vllm:num_requests_running",
    Kind.GAUGE,
    "requests",
    "Requests in the engine's batch; as of its last step",
    BY_ENGINE,
)
WAITING: Final = Metric(
    "vllm:num_requests_waiting",
    Kind.GAUGE,
    "requests",
    "Requests that the engine has and cannot run yet; as of its last step",
    BY_ENGINE,
)
KV_USAGE: Final = Metric(
    "vllm:kv_cache_usage_perc",
    Kind.GAUGE,
    "share",
    "How much of the KV cache is in use, 0 to 1",
    BY_ENGINE,
)
PREEMPTIONS: Final = Metric(
    "vllm:num_preemptions_total",
    Kind.COUNTER,
    "requests",
    "Times a request was put out of the batch for want of KV cache, to be computed again",
    BY_ENGINE,
)
PREFIX_QUERIES: Final = Metric(
    "vllm:prefix_cache_queries_total",
    Kind.COUNTER,
    "tokens",
    "Prompt tokens that were looked for in the prefix cache",
    BY_ENGINE,
)
PREFIX_HITS: Final = Metric(
    "vllm:prefix_cache_hits_total",
    Kind.COUNTER,
    "tokens",
    "Prompt tokens that were found there and not computed",
    BY_ENGINE,
)
ENGINE_PROMPT_TOKENS: Final = Metric(
    "vllm:prompt_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Prompt tokens that the engine has taken, those of its warm-up too",
    BY_ENGINE,
)
GENERATION_TOKENS: Final = Metric(
    "vllm:generation_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Tokens that the engine has made, thinking or not, sent or not",
    BY_ENGINE,
)
FINISHED: Final = Metric(
    "vllm:request_success_total",
    Kind.COUNTER,
    "requests",
    "Requests that left the engine, by why: `stop`, `length`, `abort`, `error`, `repetition`",
    (*BY_ENGINE, "finished_reason"),
)
ENGINE_TTFT: Final = Metric(
    "vllm:time_to_first_token_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "From a request's arrival at the engine to its first token",
    BY_ENGINE,
)
INTER_TOKEN: Final = Metric(
    "vllm:inter_token_latency_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Between two tokens of an answer",
    BY_ENGINE,
)
QUEUE_TIME: Final = Metric(
    "vllm:request_queue_time_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "How long a request waited in the engine before it ran",
    BY_ENGINE,
)
PREFILL_TIME: Final = Metric(
    "vllm:request_prefill_time_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "From when a request ran to its first token",
    BY_ENGINE,
)
DECODE_TIME: Final = Metric(
    "vllm:request_decode_time_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "From a request's first token to its last",
    BY_ENGINE,
)
ENGINE_E2E: Final = Metric(
    "vllm:e2e_request_latency_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "From a request's arrival at the engine to its last token",
    BY_ENGINE,
)

ENGINE: Final = (
    RUNNING, WAITING, KV_USAGE, PREEMPTIONS, PREFIX_QUERIES, PREFIX_HITS, ENGINE_PROMPT_TOKENS,
    GENERATION_TOKENS, FINISHED, ENGINE_TTFT, INTER_TOKEN, QUEUE_TIME, PREFILL_TIME, DECODE_TIME,
    ENGINE_E2E,
)  # fmt: skip
