"""Sits the exam through the gateway's OpenAI API and counts what was right.

It decides which model sits which row in which mode, what is to be reached, and how results are
told. Every question is asked twice, streaming and not. Sampling is left to the server's own
presets, as a client would leave it.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
from rich.table import Table

from deploy.pocket.exam import Question, Row, questions
from deploy.pocket.grade import Reply, right
from deploy.pocket.phrasebook import languages

# Far beyond the longest right answer; a model that rambles is cut and graded wrong.
LONGEST = 512


@dataclass(frozen=True, slots=True)
class Column:
    """A model in a mode."""

    model: str
    thinking: bool

    @property
    def title(self) -> str:
        return f"{self.model}, {'thinking' if self.thinking else 'no thinking'}"


DENSE = Column("pocket-dense", False)
MOE = Column("pocket-moe", False)
MOE_THINKING = Column("pocket-moe", True)
COLUMNS = (DENSE, MOE, MOE_THINKING)

AT_LEAST: dict[tuple[Row, Column], float] = {
    (Row.EASY, DENSE): 0.95,
    (Row.EASY, MOE): 0.95,
    (Row.EASY, MOE_THINKING): 0.95,
    (Row.HARD, MOE_THINKING): 0.95,
    (Row.TOOL, DENSE): 0.90,
    (Row.TOOL, MOE): 0.95,
    (Row.TOOL, MOE_THINKING): 0.95,
}
# Where steps are needed, answering at once has to fail: that is what thinking is for.
AT_MOST: dict[tuple[Row, Column], float] = {(Row.HARD, DENSE): 0.40, (Row.HARD, MOE): 0.60}


@dataclass(frozen=True, slots=True)
class Answer:
    """One question asked once, and the verdict."""

    column: Column
    question: Question
    streaming: bool
    reply: Reply
    right: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of the exam sat by one model in one mode."""

    row: Row
    column: Column
    num_questions: int
    streaming: float
    whole: float
    by_language: dict[str, float]
    by_subject: dict[str, float]

    @property
    def accuracy(self) -> float:
        return (self.streaming + self.whole) / 2

    @property
    def goal(self) -> str:
        key = (self.row, self.column)
        if key in AT_LEAST:
            return f">= {AT_LEAST[key]:.0%}"
        return f"<= {AT_MOST[key]:.0%}" if key in AT_MOST else ""

    @property
    def passed(self) -> bool:
        key, both = (self.row, self.column), (self.streaming, self.whole)
        return min(both) >= AT_LEAST.get(key, 0.0) and max(both) <= AT_MOST.get(key, 1.0)


@dataclass(frozen=True, slots=True)
class Report:
    """All cells, and some of the wrong answers."""

    seed: int
    cells: tuple[Cell, ...]
    wrong: tuple[Answer, ...]

    @property
    def passed(self) -> bool:
        return all(cell.passed for cell in self.cells)

    def to_json(self) -> str:
        cells = [
            asdict(cell) | {"accuracy": cell.accuracy, "goal": cell.goal, "passed": cell.passed}
            for cell in self.cells
        ]
        wrong = [asdict(answer) for answer in self.wrong]
        told = {"seed": self.seed, "passed": self.passed, "cells": cells, "wrong": wrong}
        return json.dumps(told, ensure_ascii=False, indent=2)

    def table(self) -> Table:
        codes = [language.code for language in languages()]
        table = Table(title=f"Pocket models, exam {self.seed}")
        for title in ("row", "model", "goal", "streaming", "whole", *codes, ""):
            table.add_column(title, justify="left" if title in ("row", "model") else "right")
        for cell in self.cells:
            shares = [cell.streaming, cell.whole, *(cell.by_language.get(c, 0) for c in codes)]
            marks = [f"{share:.1%}" if i < 2 else f"{share:.0%}" for i, share in enumerate(shares)]
            verdict = "ok" if cell.passed else "missed"
            table.add_row(cell.row, cell.column.title, cell.goal, *marks, verdict)
        return table


async def evaluate(
    url: str,
    key: str | None = None,
    problems: int = 240,
    seed: int = 0,
    *,
    columns: Sequence[Column] = COLUMNS,
    rows: Sequence[Row] = tuple(Row),
    concurrency: int = 32,
    told: Callable[[int, int], None] | None = None,
) -> Report:
    """Asks `problems` questions a row; `told` hears how many of all answers are in."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    address, turn = f"{url.rstrip('/')}/v1/chat/completions", asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=300),
    ) as session:

        async def sit(column: Column, question: Question, streaming: bool) -> Answer:
            async with turn:
                reply = await _ask(session, address, column, question, streaming)
            return Answer(column, question, streaming, reply, right(question, reply))

        sittings = [
            sit(column, question, streaming)
            for column in columns
            for row in rows
            for question in questions(row, problems, seed)
            for streaming in (True, False)
        ]
        answers = []
        for number, sitting in enumerate(asyncio.as_completed(sittings), 1):
            answers.append(await sitting)
            if told:
                told(number, len(sittings))
    cells = tuple(_cell(row, column, answers) for row in rows for column in columns)
    # On the hard row answers without thinking are wrong by design: no news.
    wrong = [a for a in answers if not a.right and (a.question.row, a.column) not in AT_MOST]
    return Report(seed, cells, tuple(wrong[:200]))


def _cell(row: Row, column: Column, answers: Sequence[Answer]) -> Cell:
    mine = [a for a in answers if a.column == column and a.question.row == row]
    streamed = [a.right for a in mine if a.streaming]
    languages_, subjects = defaultdict(list), defaultdict(list)
    for answer in mine:
        languages_[answer.question.language].append(answer.right)
        subjects[answer.question.subject].append(answer.right)
    return Cell(
        row,
        column,
        len(streamed),
        _share(streamed),
        _share([a.right for a in mine if not a.streaming]),
        {name: _share(hits) for name, hits in sorted(languages_.items())},
        {name: _share(hits) for name, hits in sorted(subjects.items())},
    )


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


async def _ask(
    session: aiohttp.ClientSession,
    address: str,
    column: Column,
    question: Question,
    streaming: bool,
) -> Reply:
    body: dict[str, Any] = {
        "model": column.model,
        "messages": list(question.messages),
        "max_tokens": LONGEST,
        "stream": streaming,
        "chat_template_kwargs": {"enable_thinking": column.thinking},
    }
    if question.tools:
        body |= {"tools": list(question.tools), "tool_choice": "auto"}
    try:
        async with session.post(address, json=body) as response:
            if response.status != 200:
                return Reply(error=f"{response.status} {(await response.text())[:200]}")
            if not streaming:
                return _whole((await response.json())["choices"][0]["message"])
            return await _streamed(response)
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        return Reply(error=repr(error))


def _whole(message: dict[str, Any]) -> Reply:
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Reply(
        message.get("content") or "",
        tuple((call["name"], call["arguments"]) for call in calls),
        message.get("reasoning_content") or message.get("reasoning") or "",
    )


async def _streamed(response: aiohttp.ClientResponse) -> Reply:
    content, reasoning = "", ""
    names: dict[int, str] = {}
    arguments: dict[int, str] = defaultdict(str)
    async for line in response.content:
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        event = json.loads(data)
        if "error" in event:
            return Reply(error=str(event["error"]))
        for choice in event.get("choices", ()):
            delta = choice["delta"]
            content += delta.get("content") or ""
            reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
            for call in delta.get("tool_calls") or ():
                function = call.get("function") or {}
                names.setdefault(call["index"], function.get("name") or "")
                arguments[call["index"]] += function.get("arguments") or ""
    return Reply(content, tuple((names[i], arguments[i]) for i in sorted(names)), reasoning)
