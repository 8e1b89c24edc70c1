"""Clients of several teams that count for themselves what the service should have counted.

What a client is told (status, headers, usage, why an answer ended) is written down under the names
and labels of the declared metrics, so that any panel can be held against it.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import aiohttp

from ops.metrics import Metric, engine, table

Labels = frozenset[tuple[str, str]]
HARD: Final = "4812 + 977 + 60551"
CONCURRENCY: Final = 4


def _asks(text: str, **fields: Any) -> dict[str, Any]:
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    return {"messages": [{"role": "user", "content": text}], **usage, **fields}


MIX: Final[tuple[dict[str, Any], ...]] = (
    _asks("7 + 8", model="fast"),
    _asks(HARD, model="deep", max_tokens=300),
    _asks("What is the capital of France?", model="auto"),
    _asks("7 + 8", model="no-such-model"),
    _asks(HARD, model="auto", max_tokens=300),
    _asks("7 + 8", model="fast", stream=False, stream_options=None),
    _asks(HARD, model="pocket-moe", max_tokens=6, reasoning_effort="high"),
    _asks("7 + 8", model="fast", temperature=9),
)
"""Plain and thinking ones, an answer cut within its thinking, and two that are wrong."""


@dataclass
class Tally:
    """By metric, how much of each set of labels."""

    counts: dict[str, Counter[Labels]] = field(default_factory=dict)

    def add(self, row: Metric, of: Mapping[str, str], amount: int = 1) -> None:
        self.counts.setdefault(row.name, Counter())[frozenset(of.items())] += amount

    def expected(self, row: Metric, labels: Mapping[str, str]) -> float | None:
        """How much of it a panel's series with these labels should show; None where clients cannot
        know. Labels that clients do not know, such as the replica, are not asked about."""
        if (counter := self.counts.get(row.name)) is None:
            return None
        if labels.get("promise", "availability") != "availability":
            return None  # The gateway's own clock decides those.
        return sum(
            amount
            for of, amount in counter.items()
            if all(dict(of).get(name, value) == value for name, value in labels.items())
        )


async def load(url: str, keys: Mapping[str, str], tally: Tally, seconds: float) -> None:
    """Keeps some requests under way for so long; all of them end before it returns."""
    until = time.monotonic() + seconds
    bodies = cycle(
        (team, key, body)
        for shift in range(len(MIX))
        for (team, key), body in zip(cycle(keys.items()), MIX[shift:] + MIX[:shift], strict=False)
    )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:

        async def client(mine: Iterator[tuple[str, str, dict[str, Any]]]) -> None:
            while time.monotonic() < until:
                team, key, body = next(mine)
                await _ask(session, url, (team, key), body, tally)

        await asyncio.gather(*(client(bodies) for _ in range(CONCURRENCY)))


async def once_each(url: str, keys: Mapping[str, str], tally: Tally) -> None:
    """Each request of the mix by each team, so that every series has begun: the first event of
    labels that nobody could foresee, such as a team's, is no step and shows in no rate."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        for body in MIX:
            for team, key in keys.items():
                await _ask(session, url, (team, key), body, tally)


async def _ask(
    session: aiohttp.ClientSession,
    url: str,
    by: tuple[str, str],
    body: dict[str, Any],
    tally: Tally,
) -> None:
    team, key = by
    headers = {"authorization": f"Bearer {key}"}
    sent = {name: value for name, value in body.items() if value is not None}
    path = f"{url}/v1/chat/completions"
    async with session.post(path, json=sent, headers=headers) as answer:
        text = (await answer.read()).decode()
        status, told = answer.status, answer.headers
    of = {
        "model": told.get("x-bifocal-model", "none"),
        "thinking": told.get("x-bifocal-thinking", "none"),
    }
    if reason := told.get("x-bifocal-reason"):
        tally.add(table.DECISIONS, {**of, "reason": reason})
    ended = {"endpoint": "chat", "team": team, **of}
    if status != 200:
        outcome = "rejected" if status in {429, 503} else "client_error"
        tally.add(table.REQUESTS, {**ended, "outcome": outcome})
        code = json.loads(text)["error"]["code"]
        tally.add(table.ERRORS, {"endpoint": "chat", "code": code})
        return
    tally.add(table.REQUESTS, {**ended, "outcome": "ok"})
    _answered(text, team, of, tally)


def _answered(text: str, team: str, of: Mapping[str, str], tally: Tally) -> None:
    usage, finish, said = _ending(text)
    details = usage.get("completion_tokens_details") or {}
    thought = details.get("reasoning_tokens") or 0
    prompt, made = usage["prompt_tokens"], usage["completion_tokens"]
    mine, here = {**of, "team": team}, {"model": of["model"]}
    tally.add(table.PROMISES, {**of, "promise": "availability", "kept": "yes"})
    tally.add(table.PROMPT_TOKENS, mine, prompt)
    tally.add(table.REASONING_TOKENS, mine, thought)
    tally.add(table.ANSWER_TOKENS, mine, made - thought)
    if thought and finish == "length" and not said:
        tally.add(table.EMPTY_ANSWERS, of)
    tally.add(engine.ENGINE_PROMPT_TOKENS, here, prompt)
    tally.add(engine.GENERATION_TOKENS, here, made)
    tally.add(engine.FINISHED, {**here, "finished_reason": finish})


def _ending(text: str) -> tuple[dict[str, Any], str, str]:
    """The usage, why it ended, and what it said beside its thinking; of a stream or of a whole
    answer."""
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data:")]
    parts = [json.loads(event) for event in events if event != "[DONE]"] or [json.loads(text)]
    choices = [choice for part in parts for choice in part["choices"]]
    finish = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    said = [
        (choice.get("delta") or choice.get("message") or {}).get("content") for choice in choices
    ]
    return (
        [p["usage"] for p in parts if p.get("usage")][-1],
        finish[-1],
        "".join(filter(None, said)),
    )
