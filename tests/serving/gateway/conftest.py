import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest


@dataclass
class Got:
    """An answer as the client has it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        return error


Ask = Callable[..., Coroutine[Any, Any, Got]]


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def ask(client: aiohttp.ClientSession) -> Ask:
    """Asks the endpoint at a URL; what is not said is a short plain question."""

    async def asked(
        url: str,
        *,
        path: str = "/v1/chat/completions",
        method: str = "POST",
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        **fields: Any,
    ) -> Got:
        body = {"messages": [{"role": "user", "content": "7 + 7"}], **fields}
        sent: dict[str, Any] = (
            {"json": body} if data is None and method == "POST" else {"data": data}
        )
        async with client.request(method, url + path, headers=headers, **sent) as response:
            names = {name.lower(): value for name, value in response.headers.items()}
            return Got(response.status, names, await response.read())

    return asked
