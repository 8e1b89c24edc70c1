"""Which layers a pipeline stage holds, and which experts an expert-parallel rank.

vLLM's own rules (0.29: `get_pp_indices` in distributed/utils.py, `determine_expert_map` in
fused_moe/expert_map_manager.py), so that the fullest rank here is the fullest rank there.
"""

from functools import cache


@cache
def layers_of_stages(layers: int, stages: int) -> tuple[range, ...]:
    """Layers that do not divide go one each to the stages before the last, from the back: the last
    one holds the head, and the first one the embedding, as long as there are others."""
    counts = [layers // stages] * stages
    for place in range(2, layers % stages + 2):
        counts[-place] += 1
    return _ranges(counts)


@cache
def experts_of_ranks(experts: int, ranks: int) -> tuple[range, ...]:
    """Experts that do not divide go one each to the first ranks."""
    base, more = divmod(experts, ranks)
    return _ranges([base + (rank < more) for rank in range(ranks)])


def _ranges(counts: list[int]) -> tuple[range, ...]:
    starts = [sum(counts[:place]) for place in range(len(counts))]
    return tuple(range(start, start + n) for start, n in zip(starts, counts, strict=True))
