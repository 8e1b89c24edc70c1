"""The load as programs bring it: OpenAI's own client as it comes, which asks again by itself, up to
twice, whatever it lost before an answer began. `ops.chaos.clients` never does."""

import asyncio
import time
from typing import Any, Final

import openai

from ops.chaos.clients import AGAIN_AFTER_S, TOKENS, Call, Ending

AGAIN: Final = "200, asked "
"""How an answer is told that took more than one request; a number and `times` follow."""


class SdkClients:
    """`count` of them, asking one pool; streams, or whole answers."""

    def __init__(self, url: str, key: str, pool: str, count: int, *, stream: bool) -> None:
        self._url, self._key, self._pool, self._count = f"{url}/v1", key, pool, count
        self._stream = stream
        self.calls: list[Call] = []
        self._enough = asyncio.Event()

    async def run(self) -> None:
        """Until `enough` was said and the last answers are there."""
        async with (
            openai.AsyncOpenAI(base_url=self._url, api_key=self._key) as client,
            asyncio.TaskGroup() as group,
        ):
            for n in range(self._count):
                group.create_task(self._ask_on(client, n))

    def enough(self) -> None:
        self._enough.set()

    async def _ask_on(self, client: openai.AsyncOpenAI, seed: int) -> None:
        turn = seed
        while not self._enough.is_set():
            turn += self._count
            began = time.monotonic()
            ending, told = await self._outcome(client, turn)
            self.calls.append(Call(self._pool, began, time.monotonic(), ending, told))
            if ending is not Ending.WHOLE:
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _outcome(self, client: openai.AsyncOpenAI, turn: int) -> tuple[Ending, str]:
        has_begun = False
        try:
            answer = await client.chat.completions.with_raw_response.create(**self._body(turn))
            found: Any = answer.parse()
            if self._stream:
                async for _ in found:
                    has_begun = True
        except openai.OpenAIError as error:
            return _bad(error, has_begun=has_begun), type(error).__name__
        asked = answer.retries_taken + 1
        return Ending.WHOLE, "200" if asked == 1 else f"{AGAIN}{asked} times"

    def _body(self, turn: int) -> Any:
        """No two alike, as there."""
        return {
            "model": self._pool,
            "messages": [{"role": "user", "content": f"What is {turn % 900 + 100} + 12?"}],
            "max_tokens": TOKENS,
            "extra_body": {"ignore_eos": True},
            "stream": self._stream,
        }


def _bad(error: openai.OpenAIError, *, has_begun: bool) -> Ending:
    if isinstance(error, openai.APIConnectionError):
        return Ending.CUT if has_begun else Ending.LOST
    if has_begun:
        return Ending.ERROR_EVENT
    is_refused = isinstance(error, openai.APIStatusError) and error.status_code == 503
    return Ending.REFUSED if is_refused else Ending.LOST
