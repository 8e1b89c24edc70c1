"""The connection to a replica: one request on it, and what may go wrong with the wire.

Which replica, and whether to try another, is not decided here.
"""

import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from yarl import URL

from serving.errors import EngineUnavailable
from serving.gateway.silence import Health
from serving.values import RequestId, Target
from serving.wire.engine import RETRY_AFTER_S

CONNECT_WITHIN_S: Final = 2.0
"""Within one cluster a connection takes milliseconds; a host that is gone does not answer."""
IDLE_S: Final = 4.0
"""vLLM's server closes an idle connection after 5 s; one that we take must not close under us."""
PROBE_WITHIN: Final = aiohttp.ClientTimeout(total=2, sock_connect=1)
NO_NODE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT})
"""What a connection ends with where no node answers, while this process waits for it at all."""
_NO_DEADLINE: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S)
"""The answer's deadlines are the gateway's, by request."""
BROKE: Final = (aiohttp.ClientError, ConnectionError)
"""What aiohttp raises when a connection cannot be made or does not last."""
NO_CONNECTION: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Of these, what is raised before the replica has seen anything of the request."""


REPLICA_HEADERS: Final = {
    "content-type": "application/json",
    # Said here, these are quicker than those that the client would add.
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": "bifocal",
}
"""Of every request to a replica. Its token is not among them: each has that of its own source."""


@asynccontextmanager
async def open_session(headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that changes nothing in an answer."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
    async with aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=_NO_DEADLINE,
    ) as session:
        yield session


class Upstream:
    """Sends requests to replicas, each with its own token."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._urls: dict[tuple[str, str], URL] = {}

    async def post(
        self,
        target: Target,
        path: str,
        body: bytes,
        id: RequestId,
        traceparent: str | None = None,
    ) -> aiohttp.ClientResponse:
        """Raises EngineUnavailable when no answer begins."""
        headers: dict[str, str] = {"x-request-id": id}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        if target.token is not None:
            headers["authorization"] = f"Bearer {target.token}"
        try:
            return await self._session.post(
                self._url(target, path),
                data=body,
                headers=headers,
                allow_redirects=False,
            )
        except BROKE as error:
            msg = "no replica could be reached"
            raise EngineUnavailable(msg, retry_after_s=RETRY_AFTER_S) from error

    async def get(self, target: Target, path: str) -> tuple[bytes, bytes]:
        """A short page, its type first. Raises EngineUnavailable."""
        headers = {"authorization": f"Bearer {target.token}"} if target.token is not None else {}
        msg = f"the replica has no {path} now"
        try:
            url = self._url(target, path)
            async with self._session.get(url, headers=headers, timeout=PROBE_WITHIN) as response:
                body = await response.read()
        except (*BROKE, TimeoutError) as error:
            raise EngineUnavailable(msg, retry_after_s=RETRY_AFTER_S) from error
        if response.status != 200:
            raise EngineUnavailable(msg, retry_after_s=RETRY_AFTER_S)
        return response.headers.get("content-type", "text/plain").encode(), body

    async def health(self, target: Target) -> Health:
        """What the replica says when it is asked how it is."""
        try:
            url = self._url(target, "/health")
            async with self._session.get(url, timeout=PROBE_WITHIN) as response:
                if response.status == 200:
                    return Health.WELL
                return Health.ILL if response.status >= 500 else Health.UNCLEAR
        except aiohttp.ConnectionTimeoutError:
            return Health.UNREACHED
        except TimeoutError:  # first: some of aiohttp's are its own errors, too
            return Health.MUTE
        except aiohttp.ClientConnectorError as error:
            return Health.UNREACHED if error.errno in NO_NODE else Health.GONE
        except BROKE:
            return Health.GONE

    def _url(self, target: Target, path: str) -> URL:
        # Parsing one costs as much as deciding a route. Replicas come and go, so forget now and
        # then.
        if (url := self._urls.get((target.url, path))) is None:
            if len(self._urls) > 1024:
                self._urls.clear()
            url = self._urls[target.url, path] = URL(target.url + path)
        return url
