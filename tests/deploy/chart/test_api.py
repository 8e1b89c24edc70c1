"""The API server as a pod asks it: over TLS, with the token that is in the file at that moment."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.chart.api import Api, Refused

SECRET = "api/v1/secrets"


class Server(ThreadingHTTPServer):
    """Answers with what it was asked; with `status` where that is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {"asked": f"{self.command} {self.path}", "body": json.loads(body or b"null")}
        names = ("authorization", "content-type")
        text = json.dumps(told | {name: self.headers[name] for name in names}).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = _answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With a certificate that is its own authority."""
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
            "-keyout", "server.key", "-out", "ca.crt",
        ],
        cwd=tmp_path, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.crt", tmp_path / "server.key")
    with Server() as started:
        started.socket = context.wrap_socket(started.socket, server_side=True)
        thread = threading.Thread(target=started.serve_forever)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Api:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "namespace").write_text("here\n")
    port = str(server.server_address[1])
    there = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    return Api.here(tmp_path, there)


def test_a_token_that_the_kubelet_renews_is_used_from_the_next_question_on(
    api: Api, tmp_path: Path
) -> None:
    assert api.ask("GET", SECRET, "one")["authorization"] == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert api.ask("GET", SECRET, "one")["authorization"] == "Bearer second"


@pytest.mark.parametrize(
    ("method", "kind", "name", "body", "asked", "content"),
    [
        pytest.param(
            "GET",
            SECRET,
            "one",
            None,
            "GET /api/v1/namespaces/here/secrets/one",
            "application/json",
            id="an object",
        ),
        pytest.param(
            "GET",
            "apis/ray.io/v1/rayclusters",
            "",
            None,
            "GET /apis/ray.io/v1/namespaces/here/rayclusters",
            "application/json",
            id="a list of a group's",
        ),
        pytest.param(
            "PUT",
            SECRET,
            "one",
            {"data": {}},
            "PUT /api/v1/namespaces/here/secrets/one",
            "application/json",
            id="another object in its place",
        ),
        pytest.param(
            "PATCH",
            SECRET,
            "one",
            [{"op": "add"}],
            "PATCH /api/v1/namespaces/here/secrets/one",
            "application/json-patch+json",
            id="a patch",
        ),
    ],
)
def test_what_is_asked(
    api: Api, method: str, kind: str, name: str, body: Any, asked: str, content: str
) -> None:
    told = api.ask(method, kind, name, body)
    assert (told["asked"], told["body"], told["content-type"]) == (asked, body, content)


def test_a_refusal_says_its_status(api: Api, server: Server) -> None:
    server.status = 409
    with pytest.raises(Refused, match="GET /api/v1/namespaces/here/secrets/one: 409") as refused:
        api.ask("GET", SECRET, "one")
    assert refused.value.status == 409


def test_a_server_that_another_authority_signs_is_not_asked(api: Api, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-out",
         "ca.crt", "-keyout", "key"],
        cwd=tmp_path / "other", check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (tmp_path / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
    with pytest.raises(OSError, match="certificate verify failed"):
        api.ask("GET", SECRET, "one")
