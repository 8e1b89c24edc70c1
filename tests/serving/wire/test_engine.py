import json

import pytest

from serving.errors import (
    BifocalError,
    ContextOverflow,
    EngineFailed,
    EngineUnavailable,
    MalformedRequest,
)
from serving.wire.engine import engine_error, event_error

OVERFLOW = (
    "This model's maximum context length is 4096 tokens. However, you requested 16 output tokens "
    "and your prompt contains at least 4081 input tokens"
)
TOO_MANY = "max_tokens=5000 cannot be greater than max_model_len=max_total_tokens=4096."


def told(message: str, code: int, param: str | None = None) -> bytes:
    error = {"message": message, "type": "BadRequestError", "param": param, "code": code}
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(400, told(OVERFLOW, 400, "input_tokens"), ContextOverflow, id="overflow"),
        pytest.param(400, told(TOO_MANY, 400, "max_tokens"), ContextOverflow, id="more than all"),
        pytest.param(400, told("bad grammar", 400), MalformedRequest, id="refused"),
        pytest.param(422, b'{"detail":[]}', MalformedRequest, id="not its own shape"),
        pytest.param(401, told("no", 401), EngineFailed, id="the door refused us"),
        pytest.param(404, told("no such model", 404), EngineFailed, id="not there"),
        pytest.param(500, b"Internal Server Error", EngineFailed, id="not JSON"),
        pytest.param(503, b"", EngineUnavailable, id="leaving"),
        pytest.param(429, told("full", 429), EngineUnavailable, id="full"),
        pytest.param(302, b"", EngineFailed, id="a redirect"),
    ],
)
def test_what_an_engine_answers_becomes_an_error_of_ours(
    status: int, body: bytes, kind: type[BifocalError]
) -> None:
    assert type(engine_error(status, body)) is kind


def test_the_engines_words_reach_the_client_who_can_mend_the_request() -> None:
    error = engine_error(400, told(OVERFLOW, 400, "input_tokens"))
    assert (error.message, error.param) == (OVERFLOW, "input_tokens")


def test_the_engines_insides_do_not_reach_the_client() -> None:
    error = engine_error(500, told("Traceback: /secret/path", 500))
    assert "secret" not in error.message


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        pytest.param(told("EngineCore died", 500), EngineFailed, id="dead"),
        pytest.param(told("bad", 400), MalformedRequest, id="refused late"),
        pytest.param(b'{"error": "odd"}', EngineFailed, id="odd"),
    ],
)
def test_an_error_event_becomes_an_error_of_ours(event: bytes, kind: type[BifocalError]) -> None:
    assert type(event_error(b"data: " + event + b"\n\n")) is kind
