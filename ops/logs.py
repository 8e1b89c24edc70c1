"""Logs for machines: one JSON object a line, and one line for every request that ended.

A line of a request holds what the metrics count, under the request's own id, so that one that was
slow or failed can be found among all. Prompts and answers are not known here: events hold none.
"""

import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from serving.observer import Event, Observer, PoolNow, RequestFinished
from serving.values import Mode, Team

log: Final = logging.getLogger("bifocal.requests")


class JsonLines(logging.Formatter):
    """`at` in UTC, `level`, `logger`, `message`, and what `extra={"fields": ...}` adds."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            # Where, and not the error's own words, which may hold a prompt's.
            kind, _, trace = record.exc_info
            line["error"] = kind.__name__ if kind else None
            line["frames"] = traceback.format_tb(trace)
        return json.dumps(line, ensure_ascii=False)


class RequestLog:
    """Writes a line for each request that ended, beside what the given observer does."""

    def __init__(self, beside: Observer) -> None:
        self._beside = beside

    def on(self, event: Event) -> None:
        self._beside.on(event)
        if isinstance(event, RequestFinished):
            log.info("request ended", extra={"fields": _fields(event)})

    def in_flight(self, change: int) -> None:
        self._beside.in_flight(change)

    def render(self, pools: Sequence[PoolNow], expiries: Mapping[Team, float]) -> tuple[bytes, str]:
        return self._beside.render(pools, expiries)


def _fields(event: RequestFinished) -> dict[str, Any]:
    """What is not known is left out."""
    route, usage = event.route, event.usage
    fields = {
        "request": event.id,
        "endpoint": event.endpoint,
        "team": event.team,
        "model": route and route.model,
        "thinking": route and (route.mode is Mode.THINKING),
        "reason": route and route.reason,
        "outcome": event.outcome.value,
        "status": event.status,
        "error_code": event.error_code,
        "stream": event.stream,
        "ttft_s": _rounded(event.ttft_s),
        "tpot_s": _rounded(event.tpot_s),
        "e2e_s": _rounded(event.e2e_s),
        "prompt_tokens": usage and usage.prompt_tokens,
        "reasoning_tokens": usage and usage.reasoning_tokens,
        "answer_tokens": usage and usage.answer_tokens,
        "retries": event.retries or None,
        "trace": event.trace and f"{event.trace.id:032x}",
    }
    return {name: value for name, value in fields.items() if value is not None}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
