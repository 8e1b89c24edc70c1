"""Starts vLLM engines one after the other in this process and asks each the same.

    python -m tests.e2e.engines < job.json > answers.json

A job is `{"prompts": [text, ...], "max_tokens": 48, "cases": [{"precision": ..., "layout": ...}]}`.
The first case is the reference. Each answer tells, by prompt: the greedy `tokens`, their `logprobs`
and the `text`; and `scores`, the logprobs that this engine gives to the reference's tokens, so that
engines are compared on the same text although one may have chosen another. No Ray, no Serve: a
layout is proven in seconds. Arguments and environment are those of our pools.
"""

import asyncio
import dataclasses
import json
import os
import sys
import time
from typing import Any

from deploy import pocket
from serving.catalog import CATALOG
from serving.config import ModelSpec
from serving.pools.engine import Hardware, Pool, arguments, environment
from serving.values import ModelName

MODEL = ModelName("pocket-moe")
RANKS_AT_MOST = 8
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "bifocal")


def pool(case: dict[str, Any]) -> Pool:
    spec = ModelSpec.model_validate({"on": "cpu", "context": 1024, **case})
    hardware = Hardware.of("cpu", per_node=RANKS_AT_MOST)
    return Pool(MODEL, spec, CATALOG[MODEL], hardware, str(pocket.folder(MODEL)))


os.environ.update(environment(pool({}), CACHE), VLLM_LOGGING_LEVEL="WARNING")

from transformers import AutoTokenizer  # noqa: E402  # after the environment that they read
from vllm import SamplingParams  # noqa: E402
from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: E402
from vllm.sampling_params import RequestOutputKind  # noqa: E402
from vllm.v1.engine.async_llm import AsyncLLM  # noqa: E402

TOKENIZER = AutoTokenizer.from_pretrained(str(pocket.folder(MODEL)))


def engine(case: dict[str, Any]) -> AsyncLLM:
    """With what `arguments` says of the engine; what it says of the server is left out."""
    names = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    made = pool(case)
    given = {name: value for name, value in arguments(made).items() if name in names}
    # Whatever was asked before, a prompt is read whole: its logprobs are asked for.
    given |= {"enable_prefix_caching": False, "max_num_seqs": 64}
    return AsyncLLM.from_engine_args(AsyncEngineArgs(model=made.source, **given))


async def ask(engine: AsyncLLM, tokens: list[list[int]], sampling: SamplingParams) -> list[Any]:
    sampling.output_kind = RequestOutputKind.FINAL_ONLY

    async def one(number: int) -> Any:
        prompt = {"prompt_token_ids": tokens[number]}
        async for answer in engine.generate(prompt, sampling.clone(), request_id=f"{number}"):
            found = answer
        return found

    return await asyncio.gather(*map(one, range(len(tokens))))


def logprobs(tokens: list[int], by_token: list[Any]) -> list[float]:
    return [options[token].logprob for token, options in zip(tokens, by_token, strict=True)]


async def answer(
    case: dict[str, Any], prompts: list[list[int]], chosen: list[list[int]] | None, max_tokens: int
) -> dict[str, Any]:
    """`chosen` are the reference's tokens; None for the reference itself."""
    began = time.monotonic()
    running = engine(case)
    try:
        started = time.monotonic()
        greedy = SamplingParams(temperature=0, max_tokens=max_tokens, logprobs=0)
        said = [found.outputs[0] for found in await ask(running, prompts, greedy)]
        answered = time.monotonic()
        chosen = chosen or [list(each.token_ids) for each in said]
        whole = [[*prompt, *tail] for prompt, tail in zip(prompts, chosen, strict=True)]
        read = await ask(running, whole, SamplingParams(max_tokens=1, prompt_logprobs=0))
    finally:
        running.shutdown()
    return {
        "tokens": [list(each.token_ids) for each in said],
        "logprobs": [logprobs(each.token_ids, each.logprobs) for each in said],
        "text": [each.text for each in said],
        "scores": [
            logprobs(tail, found.prompt_logprobs[-len(tail) :])
            for tail, found in zip(chosen, read, strict=True)
        ],
        "start_s": started - began,
        "answer_s": answered - started,
    }


async def main(job: dict[str, Any]) -> list[dict[str, Any]]:
    prompts = [TOKENIZER.encode(text) for text in job["prompts"]]
    chosen, answers = None, []
    for case in job["cases"]:
        print(f"{case}", file=sys.stderr, flush=True)
        answers.append(await answer(case, prompts, chosen, job["max_tokens"]))
        chosen = answers[0]["tokens"]
    return answers


if __name__ == "__main__":
    # Workers write to standard output what is not meant for whoever reads the answer.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(asyncio.run(main(json.load(sys.stdin))), out)
    out.close()
