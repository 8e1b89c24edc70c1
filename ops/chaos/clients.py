"""The load: clients that ask again as soon as they have an answer, and their own log of each.

A client that is told to come back later does so sooner than it is told, to see when the service is
back; such refusals are counted, and so is everything that came before the cut of an answer.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import aiohttp

AGAIN_AFTER_S: Final = 0.5
"""After anything but an answer."""
TOKENS: Final = 128
"""Of each answer: long enough for some to be under way at any moment."""
PATIENCE: Final = aiohttp.ClientTimeout(total=180)
_CONTENT: Final = re.compile(rb'"(?:content|reasoning)":\s*"[^"]')
_ERROR: Final = b'data: {"error"'
_DONE: Final = b"data: [DONE]"


class Ending(StrEnum):
    WHOLE = "whole"
    REFUSED = "refused"
    """503 with Retry-After: an honest answer where no replica is."""
    LOST = "lost"
    """Any other end before the first byte."""
    ERROR_EVENT = "error event"
    """After content, told in the stream."""
    NO_OTHER = "error event before content"
    """Told in a stream that comments had opened; lost where another replica could be asked."""
    CUT = "cut"
    """After the first byte, without a word."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its client saw it; times by the monotonic clock."""

    pool: str
    began: float
    ended: float
    ending: Ending
    told: str = ""
    """The status, and by whom where another model answered; or what broke."""


class Clients:
    """`count` of them, asking one pool through the gateway."""

    def __init__(self, url: str, headers: Mapping[str, str], pool: str, count: int) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._headers, self._pool, self._count = dict(headers), pool, count
        self.calls: list[Call] = []
        self._enough = asyncio.Event()

    async def run(self) -> None:
        """Until `enough` was said and the last answers are there."""
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(
                headers=self._headers, timeout=PATIENCE, connector=connector
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for n in range(self._count):
                group.create_task(self._ask_on(session, n))

    def enough(self) -> None:
        self._enough.set()

    async def _ask_on(self, session: aiohttp.ClientSession, seed: int) -> None:
        turn = seed
        while not self._enough.is_set():
            call = await self._ask(session, turn := turn + self._count)
            self.calls.append(call)
            if call.ending is not Ending.WHOLE:
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _ask(self, session: aiohttp.ClientSession, turn: int) -> Call:
        began = time.monotonic()
        ending, told = await self._outcome(session, turn)
        return Call(self._pool, began, time.monotonic(), ending, told)

    async def _outcome(self, session: aiohttp.ClientSession, turn: int) -> tuple[Ending, str]:
        body = b""
        try:
            async with session.post(self._url, json=self._body(turn)) as response:
                if response.status != 200:
                    return _refusal(response)
                told = _said_by(response)
                async for block in response.content.iter_any():
                    body += block
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            return (Ending.CUT if _CONTENT.search(body) else Ending.LOST), type(error).__name__
        return ending_of(body), told

    def _body(self, turn: int) -> dict[str, Any]:
        """No two alike, so that no answer comes from a cache of prefixes alone."""
        return {
            "model": self._pool,
            "messages": [{"role": "user", "content": f"What is {turn % 900 + 100} + 12?"}],
            "max_tokens": TOKENS,
            "ignore_eos": True,
            "stream": True,
        }


def _said_by(response: aiohttp.ClientResponse) -> str:
    if "x-bifocal-instead-of" not in response.headers:
        return "200"
    return f"200 by {response.headers['x-bifocal-model']}"


def _refusal(response: aiohttp.ClientResponse) -> tuple[Ending, str]:
    clean = response.status == 503 and "retry-after" in response.headers
    return (Ending.REFUSED if clean else Ending.LOST), str(response.status)


def ending_of(body: bytes) -> Ending:
    """Of a stream whose connection ended in order."""
    if _ERROR in body:
        return Ending.ERROR_EVENT if _CONTENT.search(body) else Ending.NO_OTHER
    if _DONE in body:
        return Ending.WHOLE
    return Ending.CUT if _CONTENT.search(body) else Ending.LOST
