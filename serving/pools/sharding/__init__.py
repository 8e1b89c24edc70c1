"""Parallel engines on a CPU: six small repairs of vLLM 0.29, made as vLLM's own plugins.

vLLM calls `plugin.mend` in each of its processes (front end, engine, every worker, Ray's actors)
and `plugin.platform` where it looks for what it runs on. `patching` is how something is repaired;
`expert_map`, `pipeline`, `gather`, `meeting`, `segments` and `pretended_gpus` are one repair each,
told in `docs/upstream/`. On a GPU, and with any other version of vLLM, nothing is touched.
"""

from typing import Final

PRETEND_GPUS: Final = "BIFOCAL_PRETEND_GPUS"
"""A variable: 1 where one engine spans nodes that have no GPU."""
