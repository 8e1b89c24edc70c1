"""Whether a service that runs elsewhere answers, and what of it does not."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.doctor.finding import Finding, Verdict

ANSWER_WITHIN_S: Final = 10.0
SKEW_S: Final = 5.0
"""Of clocks, beside a second that the header rounds away."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of `GET /ready`, which asks for no key."""

    pools: Mapping[str, Mapping[str, Any]]
    ahead_s: float | None
    """Its clock before ours; None where it does not say."""


def ask(url: str) -> Answer | str:
    """Why there is none, if so."""
    connection, path = _to(url)
    with closing(connection):
        try:
            connection.request("GET", f"{path}/ready")
            with connection.getresponse() as response:
                pools = json.loads(response.read())["pools"]
                return Answer(pools, _ahead(response.headers.get("date")))
        except (OSError, http.client.HTTPException) as error:
            return f"nothing answers at {url} ({getattr(error, 'strerror', None) or error})"
        except (ValueError, KeyError, TypeError):
            return f"what answers at {url} is no gateway of ours"


def of_key(url: str, key: str) -> Iterator[Finding]:
    """Whether it opens the models there. Nothing of a service that does not answer."""
    connection, path = _to(url)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{path}/v1/models", headers={"authorization": f"Bearer {key}"})
        with connection.getresponse() as response:
            yield _opened(response.status)


def _opened(status: int) -> Finding:
    if status == HTTPStatus.OK:
        return Finding("key", Verdict.OK, "opens the models")
    if status == HTTPStatus.FORBIDDEN:
        remedy = "`bifocal key new` makes one without a scope"
        return Finding("key", Verdict.WARN, "is for metrics and opens no model", remedy)
    if status == HTTPStatus.UNAUTHORIZED:
        remedy = "it is not one of this service's, or was revoked, or has expired"
        return Finding("key", Verdict.FAIL, "opens nothing", remedy)
    return Finding("key", Verdict.WARN, f"cannot be tried: GET /v1/models says {status}")


def _to(url: str) -> tuple[http.client.HTTPConnection, str]:
    """And the path of the service there, without a slash at its end."""
    at = urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    return kind(at.hostname or "", at.port, timeout=ANSWER_WITHIN_S), at.path.rstrip("/")


def _ahead(date: str | None) -> float | None:
    return None if date is None else parsedate_to_datetime(date).timestamp() - time.time()


def of_service(answer: Answer | str) -> Iterator[Finding]:
    if isinstance(answer, str):
        remedy = "is it up, and is the address right? `bifocal status`"
        yield Finding("gateway", Verdict.FAIL, answer, remedy)
        return
    yield Finding("gateway", Verdict.OK, "answers")
    for name, pool in answer.pools.items():
        yield _pool(name, pool)
    if answer.ahead_s is not None:
        yield _clock(answer.ahead_s)


def _pool(name: str, pool: Mapping[str, Any]) -> Finding:
    count = f"{pool['answering']} of {pool['replicas']} replicas answer"
    if not pool["ready"]:
        remedy = "its pods and Ray's log say more: `bifocal bundle` has both"
        return Finding("pools", Verdict.FAIL, f"{name}: {pool['reason']}", remedy)
    if pool["answering"] < pool["replicas"]:
        return Finding("pools", Verdict.WARN, f"{name}: {count}", "Ray replaces them by itself")
    return Finding("pools", Verdict.OK, f"{name}: {count}")


def _clock(ahead_s: float) -> Finding:
    if abs(ahead_s) <= SKEW_S:
        return Finding("clock", Verdict.OK, "the gateway's is ours, to a few seconds")
    what = f"the gateway's is {abs(ahead_s):.0f} s {'before' if ahead_s > 0 else 'behind'} ours"
    remedy = "let both keep time: when keys expire and orders end is told by it"
    return Finding("clock", Verdict.WARN, what, remedy)
