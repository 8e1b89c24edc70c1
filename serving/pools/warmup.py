"""The first requests of a replica, which pay for compilation so that no client does.

Each kind of sampling compiles code of its own: a pool warmed by greedy requests alone took seconds
for the first sampled one.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from ray.serve.llm.deployment import LLMServer
from ray.serve.llm.openai_api_models import ChatCompletionRequest, ErrorResponse

from serving.pools.start import Step, mark

logger = logging.getLogger("ray.serve")

TOKENS: Final = 8
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "greedy": {"temperature": 0.0},
    "sampled": {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "presence_penalty": 1.5},
    "logprobs": {"temperature": 0.6, "top_p": 0.95, "logprobs": True, "top_logprobs": 2},
}


class WarmUpFailed(Exception):
    """The engine started but cannot answer."""


async def warm_up(server: LLMServer) -> None:
    mark(Step.ENGINE)
    for kind, sampling in REQUESTS.items():
        began = time.monotonic()
        await _ask(server, kind, sampling)
        logger.info("warm-up: %s took %.1f s", kind, time.monotonic() - began)
    mark(Step.WARM_UP)


async def _ask(server: LLMServer, kind: str, sampling: Mapping[str, Any]) -> None:
    request = ChatCompletionRequest(
        model=(await server.llm_config()).model_id,
        messages=[{"role": "user", "content": "1"}],
        max_tokens=TOKENS,
        **sampling,
    )
    async for answer in await server.chat(request):
        if isinstance(answer, ErrorResponse):
            raise WarmUpFailed(f"{kind}: {answer.error.message}")
