"""An answer is whole to the last token, or it is said what is missing."""

import pytest

from ops.bench.answer import Answer, whole
from ops.bench.mock import DONE, EVENTS, REPLY, STREAM_TOKENS, USAGE

STREAM = b"".join(EVENTS) + USAGE + DONE
COUNT = len(EVENTS) + 2


def answer(*parts: bytes, status: int = 200, problem: str | None = None) -> Answer:
    made = Answer(began=0.0, ended=1.0, status=status, problem=problem)
    for now, part in enumerate(parts):
        made.take(part, float(now))
    return made


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(STREAM, None, id="whole"),
        pytest.param(STREAM.removesuffix(DONE), "no [DONE]", id="no done"),
        pytest.param(STREAM[: len(STREAM) // 2], "no [DONE]", id="cut in the middle"),
        pytest.param(STREAM.replace(USAGE, b""), "no usage", id="no usage"),
        pytest.param(
            STREAM.replace(b'"length"', b"null"), "no finish_reason", id="no finish reason"
        ),
        pytest.param(
            b"".join(EVENTS[1:]) + USAGE + DONE, f"{COUNT - 1} events for {COUNT}", id="one lost"
        ),
        pytest.param(
            STREAM.replace(b'"completion_tokens":64', b'"completion_tokens":63'),
            "63 tokens for 64",
            id="a token too few",
        ),
        pytest.param(
            b'data: {"error":{"message":"gone"}}\n\n' + DONE, "an error event", id="an error event"
        ),
    ],
)
def test_streams(body: bytes, expected: str | None) -> None:
    found = whole(answer(body), stream=True, tokens=STREAM_TOKENS, events=COUNT)
    assert found == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(REPLY, None, id="whole"),
        pytest.param(REPLY[:-1], None if REPLY[:-1].endswith(b"}") else "no end", id="cut"),
        pytest.param(REPLY[:-200], "no end", id="cut sooner"),
        pytest.param(b"{}", "no finish_reason", id="something else"),
    ],
)
def test_replies(body: bytes, expected: str | None) -> None:
    assert whole(answer(body), stream=False, tokens=16) == expected


def test_a_status_and_a_broken_connection_come_first() -> None:
    assert whole(answer(REPLY, status=503), stream=False, tokens=16) == "status 503"
    assert whole(answer(REPLY, problem="cut off"), stream=False, tokens=16) == "cut off"


def test_the_first_token_is_the_first_content_not_the_role() -> None:
    assert answer(*EVENTS).first == 1.0


def test_thinking_counts_as_the_first_token() -> None:
    event = b'data: {"choices":[{"delta":{"reasoning":"Let"}}]}\n\n'
    assert answer(EVENTS[0], event, *EVENTS[1:]).first == 1.0
