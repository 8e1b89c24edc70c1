"""What `helm test` runs, in a pod beside the gateway's: one question that is thought through, one
that is not, and whether both were metered.

python -m deploy.chart.trial

All on one connection, so that one gateway both answers and is asked what it has counted. The limit
on requests at once is left alone: to reach it here would refuse real clients.
"""

import http.client
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

QUESTION: Final = "What is 48213 + 9377 + 60418?"
ANSWER_WITHIN_S: Final = 600.0
COUNTED_WITHIN_S: Final = 10.0
COUNTERS: Final = {
    "prompt_tokens": ("bifocal_prompt_tokens_total",),
    "completion_tokens": ("bifocal_reasoning_tokens_total", "bifocal_answer_tokens_total"),
}
"""The engine's counts in an answer, and the metrics that must grow by them at least."""

LINE: Final = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.M)
"""Of Prometheus' text."""


class Failed(Exception):
    """What is not as it should be."""


@dataclass(slots=True)
class Gateway:
    """One of those behind the Service, for as long as the connection stands."""

    address: str
    key: str
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.netloc, timeout=ANSWER_WITHIN_S)

    def exchange(self, path: str, body: Any = None) -> tuple[http.client.HTTPResponse, str]:
        """The answer to a GET; to a POST where there is a body. Raises Failed."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        sent = None if body is None else json.dumps(body)
        self._connection.request("GET" if body is None else "POST", path, sent, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status != http.client.OK:
            raise Failed(f"{path}: {answer.status} {text[:500]}")
        return answer, text

    def counted(self, *, thinking: bool) -> dict[str, float]:
        """Tokens of all requests so far that thought, or did not."""
        _, text = self.exchange("/metrics")
        mark = f'thinking="{"on" if thinking else "off"}"'
        found = [
            (name, float(value)) for name, labels, value in LINE.findall(text) if mark in labels
        ]
        return {
            name: sum(value for metric, value in found if metric in metrics)
            for name, metrics in COUNTERS.items()
        }


def ask(gateway: Gateway, *, thinking: bool) -> dict[str, Any]:
    """What is told of the answer. Raises Failed."""
    before = gateway.counted(thinking=thinking)
    body = {
        "messages": [{"role": "user", "content": QUESTION}],
        "chat_template_kwargs": {"enable_thinking": thinking},
    }
    answer, text = gateway.exchange("/v1/chat/completions", body)
    whole = json.loads(text)
    message, usage = whole["choices"][0]["message"], whole["usage"]
    if bool(message.get("reasoning")) != thinking:
        raise Failed(f"thinking {thinking} was asked for, and the answer is {message}")
    if not message.get("content"):
        raise Failed(f"no answer: {whole}")
    _wait_until_counted(gateway, before, usage, thinking=thinking)
    return {
        "model": answer.getheader("x-bifocal-model"),
        "thinking": answer.getheader("x-bifocal-thinking"),
        "answer": message["content"],
        **{name: usage[name] for name in COUNTERS},
    }


def _wait_until_counted(
    gateway: Gateway, before: Mapping[str, float], usage: Mapping[str, int], *, thinking: bool
) -> None:
    """A request is counted once its answer has gone out."""
    end = time.monotonic() + COUNTED_WITHIN_S
    while True:
        now = gateway.counted(thinking=thinking)
        grown = {name: now[name] - before[name] for name in COUNTERS}
        if all(grown[name] >= usage[name] for name in COUNTERS):
            return
        if time.monotonic() > end:
            raise Failed(f"not metered: the answer says {dict(usage)}, the metrics grew by {grown}")
        time.sleep(0.2)


def main() -> int:
    """0 if all is as it should be."""
    gateway = Gateway(os.environ["BIFOCAL_URL"], os.environ["BIFOCAL_KEY"])
    for thinking in (True, False):
        try:
            print(json.dumps(ask(gateway, thinking=thinking), ensure_ascii=False), flush=True)
        except (Failed, OSError, http.client.HTTPException) as error:
            print(f"trial: {error or type(error).__name__}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
