"""Origins on loopback that speak the few words of Hugging Face, ModelScope and S3, and misbehave.

Each answers from one folder of bytes in memory, counts what it serves, and does what its `faults`
say. The names and shapes of the answers are the real ones.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

COMMIT, OTHER = "a" * 40, "b" * 40
REPOSITORY = "acme/tiny"
SHARD = bytes(range(256)) * 4096 * 2
"""2 MiB: several reads, quickly hashed."""
FILES = {
    "config.json": b'{"architectures": ["Qwen3ForCausalLM"]}',
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": SHARD,
    "modeling_evil.py": b"import os",
    "pytorch_model.bin": b"pickle",
    "README.md": b"# tiny",
    "onnx/model.safetensors": b"another form",
}
TAKEN = {"config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"}

Fault = Callable[[web.Request, bytes], "bytes | web.StreamResponse | Cut | None"]
"""Asked before a file is served, with what would be sent; None serves it as it is."""


@dataclass
class Cut:
    """The connection is closed after so many bytes of what would be sent."""

    after: int


@dataclass
class Loopback:
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    commit: str = COMMIT
    faults: list[Fault] = field(default_factory=list)
    """The next file that is asked for uses up the first one."""
    token: str | None = None
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes by file."""
    asked: list[web.BaseRequest] = field(default_factory=list)
    listing: Any = None
    """Instead of the right one."""
    gate: asyncio.Event | None = None
    """Files wait for it."""
    url: str = ""
    cdn: str = ""
    """Where files are redirected to."""

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("range") for request in self.asked if is_shard(request)]

    async def serve(self, request: web.Request, name: str) -> web.StreamResponse:
        self.asked.append(request)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return web.Response(status=401, headers={"x-error-message": "Access is restricted."})
        if self.cdn:
            raise web.HTTPFound(f"{self.cdn}{request.path_qs}")
        if name not in self.files:
            return web.Response(status=404)
        return await self._send(request, name)

    async def _send(self, request: web.Request, name: str) -> web.StreamResponse:
        if self.gate:
            await self.gate.wait()
        content = self.files[name]
        begins, etag = 0, f'"{hashlib.md5(content).hexdigest()}"'
        if "range" in request.headers and request.headers.get("if-range", etag) == etag:
            begins = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        body: bytes | Cut = content[begins:]
        size = len(body)
        if self.faults and is_shard(request):
            done = self.faults.pop(0)(request, content[begins:])
            if isinstance(done, web.StreamResponse):
                return done
            body = content[begins:] if done is None else done
        answer = web.StreamResponse(status=206 if begins else 200, headers={"etag": etag})
        if begins:
            answer.headers["content-range"] = f"bytes {begins}-{len(content) - 1}/{len(content)}"
        answer.content_length = size
        await answer.prepare(request)
        part = content[begins : begins + body.after] if isinstance(body, Cut) else body
        self.sent[name] += len(part)
        await answer.write(part)
        if isinstance(body, Cut):
            await asyncio.sleep(0.1)  # what is read ahead is lost: let it be read
            assert request.transport is not None
            request.transport.close()
        return answer

    def hub_listing(self) -> dict[str, Any]:
        return {"id": REPOSITORY, "sha": self.commit, "siblings": [*map(self._sibling, self.files)]}

    def _sibling(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        found: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git}
        if name.endswith((".safetensors", ".bin")):
            found["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 1}
        return found

    def modelscope_listing(self) -> dict[str, Any]:
        blobs = [
            {"Path": n, "Type": "blob", "Size": len(c), "Sha256": sha256(c), "Revision": COMMIT}
            for n, c in self.files.items()
        ]
        committer = {"Id": "", "ShortId": self.commit[:8]}
        tree = {"Path": "onnx", "Type": "tree", "Size": 0, "Sha256": "", "Revision": OTHER}
        data = {"Files": [tree, *blobs], "LatestCommitter": committer}
        return {"Code": 200, "Success": True, "Message": "", "Data": data}


def is_shard(request: web.BaseRequest) -> bool:
    return "model.safetensors" in request.path_qs


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hub(fake: Loopback) -> web.Application:
    async def revision(request: web.Request) -> web.StreamResponse:
        fake.asked.append(request)
        if fake.token and request.headers.get("authorization") != f"Bearer {fake.token}":
            return web.Response(status=401, headers={"x-error-message": "Access is restricted."})
        if request.match_info["revision"] not in ("main", fake.commit, "refs/pr/1"):
            return web.Response(status=404, headers={"x-error-message": "Invalid rev id"})
        return web.json_response(fake.hub_listing() if fake.listing is None else fake.listing)

    async def file(request: web.Request) -> web.StreamResponse:
        assert request.match_info["commit"] == fake.commit
        return await fake.serve(request, request.match_info["name"])

    app = web.Application()
    app.router.add_get(f"/api/models/{REPOSITORY}/revision/{{revision:.+}}", revision)
    app.router.add_get(f"/{REPOSITORY}/resolve/{{commit}}/{{name:.+}}", file)
    return app


def modelscope(fake: Loopback) -> web.Application:
    async def files(request: web.Request) -> web.StreamResponse:
        if request.query["Revision"] not in ("master", fake.commit):
            return web.json_response({"Code": 10010205001, "Message": "no such", "Data": None})
        return web.json_response(
            fake.modelscope_listing() if fake.listing is None else fake.listing
        )

    async def file(request: web.Request) -> web.StreamResponse:
        assert request.query["Revision"] == fake.commit
        return await fake.serve(request, request.query["FilePath"])

    app = web.Application()
    app.router.add_get(f"/api/v1/models/{REPOSITORY}/repo/files", files)
    app.router.add_get(f"/api/v1/models/{REPOSITORY}/repo", file)
    return app


def store(fake: Loopback) -> web.Application:
    """Objects by path: an S3 endpoint, or any web server."""

    async def file(request: web.Request) -> web.StreamResponse:
        return await fake.serve(request, request.match_info["name"])

    app = web.Application()
    app.router.add_get("/models/tiny/{name:.+}", file)
    return app


@asynccontextmanager
async def listening(fake: Loopback, app: web.Application) -> AsyncIterator[Loopback]:
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    try:
        yield fake
    finally:
        await runner.cleanup()
