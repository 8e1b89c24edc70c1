"""The command against an endpoint that says what each test writes down, byte for byte."""

import io
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.cli.chat import Screen, harmless
from deploy.cli.client import Decision, Ended, Piece
from deploy.local.head import Ports
from deploy.local.processes import ProcessId
from deploy.local.state import Running, StateFolder

HEADERS = {
    "content-type": "text/event-stream",
    "x-bifocal-model": "pocket-moe",
    "x-bifocal-thinking": "on",
    "x-bifocal-reason": "sum of several numbers",
    "x-request-id": "r1",
}


def event(**delta: str | None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 5}}\n\n'
STOP = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
GOOD = (
    event(role="assistant", content="")
    + b": still there\n\n"
    + event(reasoning_content="1+1", reasoning="1+1")
    + event(content="is ")
    + event(content="2")
    + STOP
    + USAGE
    + DONE
)


class Endpoint(ThreadingHTTPServer):
    status, headers, body = 200, HEADERS, GOOD
    asked: dict[str, object]
    given: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.asked = json.loads(self.rfile.read(length))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.given = dict(self.headers)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(endpoint: Endpoint) -> str:
    return f"http://127.0.0.1:{endpoint.server_address[1]}"


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_the_answer_goes_to_stdout_and_the_rest_to_stderr(bifocal, endpoint):
    done = bifocal("chat", "1+1?", "--url", url(endpoint))
    assert done.code == 0
    assert done.out == "is 2\n"
    lines = done.err.splitlines()
    assert lines[:2] == ["pocket-moe, thinking: sum of several numbers", "thinking: 1+1"]
    assert lines[2].startswith("first token after 0.")
    assert lines[2].endswith(" 5 tokens")


def test_for_scripts_it_is_one_object(bifocal, endpoint):
    found = json.loads(bifocal("chat", "1+1?", "--json", "--url", url(endpoint)).out)
    assert found.pop("ttft_s") <= found.pop("e2e_s")
    assert found == {
        "model": "pocket-moe",
        "thinking": True,
        "reason": "sum of several numbers",
        "request_id": "r1",
        "reasoning": "1+1",
        "content": "is 2",
        "finish_reason": "stop",
        "usage": {"completion_tokens": 5},
    }


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ((), {"model": "auto"}),
        (("--model", "deep"), {"model": "deep"}),
        (("--think",), {"model": "auto", "chat_template_kwargs": {"enable_thinking": True}}),
        (("--no-think",), {"model": "auto", "chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_wishes_are_sent_and_nothing_else(bifocal, endpoint, arguments, sent):
    bifocal("chat", "hi", "--url", url(endpoint), *arguments)
    assert endpoint.asked == sent | {
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_address_and_key_come_from_the_environment(bifocal, endpoint, monkeypatch):
    monkeypatch.setenv("BIFOCAL_URL", url(endpoint))
    monkeypatch.setenv("BIFOCAL_KEY", "bf-x")
    assert bifocal("chat", "hi").code == 0
    assert endpoint.given["authorization"] == "Bearer bf-x"
    bifocal("chat", "hi", "--key", "bf-y")
    assert endpoint.given["authorization"] == "Bearer bf-y"


def test_without_an_address_it_asks_the_service_that_runs_here(bifocal, endpoint, tmp_path):
    state = StateFolder(tmp_path / "state")
    state.lock()
    state.save(Running(ProcessId(1, 1.0), "ready", url(endpoint), "", Ports(*range(10)), ""))
    assert bifocal("chat", "1+1?").out == "is 2\n"
    state.unlock()


def refusal(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "t", "code": "c"}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "said"),
    [
        (400, refusal("top_p: too high"), {}, 2, ["bifocal: top_p: too high"]),
        (404, refusal("unknown model"), {}, 2, ["bifocal: unknown model"]),
        (401, refusal("no API key"), {}, 2, ["bifocal: no API key", "BIFOCAL_KEY"]),
        (429, refusal("full"), {"retry-after": "2"}, 4, ["bifocal: full", "again in 2 s"]),
        (503, refusal("loading"), {}, 4, ["bifocal: loading", "bifocal status"]),
        (500, refusal("broken"), {}, 1, ["bifocal: broken"]),
        (502, b"<html>", {}, 1, ["answers 502 Bad Gateway"]),
        (200, event(content="a") + b'data: {"error": {"message": "died"}}\n\n', {}, 1, ["died"]),
        (200, event(content="a"), {}, 1, ["broke off"]),
        (200, b"data: {\n\n", {}, 1, ["not JSON"]),
    ],
)
def test_what_goes_wrong_has_a_code_and_a_line(
    bifocal, endpoint, status, body, headers, code, said
):
    endpoint.status, endpoint.body, endpoint.headers = status, body, headers
    done = bifocal("chat", "hi", "--url", url(endpoint))
    assert done.code == code
    for words in said:
        assert words in done.err
    assert "Traceback" not in done.err


def test_nobody_there_is_code_3_with_the_way_to_start_it(bifocal):
    free = nobody()
    done = bifocal("chat", "hi", "--url", free)
    assert done.code == 4
    assert f"nothing answers at {free} (Connection refused)" in done.err
    assert "start it with `bifocal up`" in done.err


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(401, 2, "no API key"), (503, 4, "no API key"), (500, 1, "no API key")],
)
def test_the_exam_does_not_begin_where_nobody_takes_it(bifocal, endpoint, status, code, said):
    endpoint.status, endpoint.body = status, refusal("no API key")
    done = bifocal("pocket", "eval", "--url", url(endpoint))
    assert done.code == code
    assert said in done.err


def test_the_exam_of_a_service_that_does_not_run_is_code_3(bifocal):
    assert bifocal("pocket", "eval", "--url", nobody()).code == 4


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


EVENTS = [
    Decision("m", True, "code", "r"),
    Piece("hm", True),
    Piece("a\x1b[31m", False),
    Ended("length", None, 0.5, 1.0),
]


def test_an_answer_that_was_thought_through_begins_with_its_own_words():
    out, err = io.StringIO(), io.StringIO()
    pieces = [Piece("hm\n", True), *(Piece(text, False) for text in ("\n", "\n\nis ", "\n2"))]
    Screen(out, err).show([EVENTS[0], *pieces, EVENTS[-1]])
    assert out.getvalue() == "is \n2\n"


def test_a_pool_that_is_drained_refuses_and_the_way_back_is_named(bifocal, endpoint):
    error = {"message": "pocket-moe takes nothing new", "type": "t", "code": "pool_drained"}
    endpoint.status, endpoint.body = 503, json.dumps({"error": error}).encode()
    endpoint.headers = HEADERS | {"retry-after": "30"}
    done = bifocal("chat", "hi", "--url", url(endpoint))
    assert done.code == 2
    assert "bifocal pool resume pocket-moe" in done.err


def test_on_a_terminal_thinking_is_dimmed_and_control_characters_are_taken_out():
    out, err = Terminal(), Terminal()
    Screen(out, err).show(EVENTS)
    assert out.getvalue() == "\x1b[2mhm\x1b[0m\na[31m\n"
    assert "cut at max_tokens" in err.getvalue()


def test_in_a_pipe_the_text_stays_as_it_is():
    out, err = io.StringIO(), io.StringIO()
    Screen(out, err).show(EVENTS)
    assert out.getvalue() == "a\x1b[31m\n"
    assert "\x1b" not in err.getvalue()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\nb\tc", "a\nb\tc"),
        ("a\x1b]0;x\x07b", "a]0;xb"),
        ("你好 é", "你好 é"),
        ("\x9b31m", "31m"),
    ],
)
def test_a_model_does_not_drive_the_terminal(text, left):
    assert harmless(text) == left
