"""How fast a layout serves the load that was asked for, predicted from the roofline's steps.

What an operator buys GPUs for is answers that keep a promise. So the figure that layouts are ranked
by is tokens of answer a second, prefill counted in, with as many requests on each replica as it
holds while a step takes no longer than is promised. Left out: preemption, speculative decoding,
prefix hits, and that a prefill between two steps delays the second.
"""

from bisect import bisect_right

from serving.layout import attainable
from serving.layout.memory import Batch, batches
from serving.layout.placement import replicas_of
from serving.layout.roofline import decode_step, prefill_step, seconds_of
from serving.layout.values import Demand, Estimate, Sizes


def estimate(demand: Demand, sizes: Sizes, kv_tokens: int, most: Batch | None = None) -> Estimate:
    """`kv_tokens` are of one replica, `most` of one step of an engine (None: vLLM's default)."""
    replicas, load = replicas_of(demand.nodes, sizes), demand.asked_load
    most = most or batches(demand, replicas * sizes.data)[0]
    batch = _batch(demand, sizes, min(kv_tokens // load.tokens, sizes.data * most.max_num_seqs))
    decode_s = _decode_s(demand, sizes, batch)
    work_s = _prefill_work_s(demand, sizes, most.max_num_batched_tokens)
    waits = _decode(demand, sizes, batch)
    return Estimate(
        prefill_s=_prefill_s(demand, sizes, most.max_num_batched_tokens),
        decode_s=decode_s,
        alone_s=_decode_s(demand, sizes, 1),
        tokens_per_s=replicas * load.answer / (work_s + load.answer * decode_s / batch),
        batch=batch,
        prompt=load.prompt,
        answer=load.answer,
        keeps_promise=decode_s <= load.tpot_s,
        limited_by=max(waits, key=lambda name: waits[name]),
        sources=attainable.sources(demand, sizes),
    )


def _batch(demand: Demand, sizes: Sizes, most: int) -> int:
    """The largest whose step keeps the promise; one request, if not even that does."""
    promised = demand.load.tpot_s
    kept = bisect_right(range(1, most + 1), promised, key=lambda n: _decode_s(demand, sizes, n))
    return max(1, kept)


def _decode_s(demand: Demand, sizes: Sizes, batch: int) -> float:
    return sizes.pipeline * sum(_decode(demand, sizes, batch).values()) + attainable.STEP_S


def _decode(demand: Demand, sizes: Sizes, batch: int) -> dict[str, float]:
    """Of one stage, by what it waits for, with requests that are halfway through their answers.
    With several stages as many batches are under way, each a share of the requests."""
    load = demand.asked_load
    share = max(1.0, batch / sizes.pipeline)
    return seconds_of(demand, sizes, decode_step(sizes, share, load.prompt + load.answer / 2))


def _prefill_s(demand: Demand, sizes: Sizes, most: int) -> float:
    """Of one prompt alone: chunk follows chunk through the stages, (chunks + stages - 1) times the
    slowest."""
    chunks, stage_s = _chunks(demand, sizes, most, ranks=1)
    return (chunks + sizes.pipeline - 1) * stage_s + attainable.STEP_S


def _prefill_work_s(demand: Demand, sizes: Sizes, most: int) -> float:
    """What a prompt costs a replica that has one after the other for every stage and data rank."""
    chunks, stage_s = _chunks(demand, sizes, most, ranks=sizes.data)
    return chunks * stage_s / sizes.data


def _chunks(demand: Demand, sizes: Sizes, most: int, ranks: int) -> tuple[int, float]:
    """How many a prompt is cut into, and the seconds of one in the slowest stage."""
    load = demand.asked_load
    chunk = min(load.prompt, most)
    step = prefill_step(chunk, past=(load.prompt - chunk) / 2, ranks=ranks)
    return -(-load.prompt // chunk), sum(seconds_of(demand, sizes, step).values())
