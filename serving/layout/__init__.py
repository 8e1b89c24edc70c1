"""Model and GPUs to parallel sizes, with a memory proof.

`plan(demand)` answers with layouts, the best first, or with the arithmetic of the refusal. Pure: no
input or output, no engine. What is placed and started is `serving.pools`' business.
"""

from serving.layout.facts import BadModelConfig, facts_of_config
from serving.layout.planner import plan, why_not
from serving.layout.values import (
    Demand,
    Estimate,
    Layout,
    Load,
    Memory,
    Nodes,
    Plan,
    Precision,
    Rank,
    Sizes,
)

__all__ = [
    "BadModelConfig",
    "Demand",
    "Estimate",
    "Layout",
    "Load",
    "Memory",
    "Nodes",
    "Plan",
    "Precision",
    "Rank",
    "Sizes",
    "facts_of_config",
    "plan",
    "why_not",
]
