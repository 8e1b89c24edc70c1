"""An origin asked over HTTP: what is worth another try, and what a refusal means to a person.

Which files there are and what becomes of their bytes is decided elsewhere.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from deploy.failure import Exit, Failure

TRIES: Final = 6
"""In a row that bring nothing; with waits of 1, 2, 4, 8, 16 s the last comes after 31 s."""
LONGEST_WAIT_S: Final = 60.0
CONNECT_WITHIN_S: Final = 10.0
_BUFFER: Final = 256 * 1024
"""Twice as much is read ahead."""
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BROKE: Final = (aiohttp.ClientError, ConnectionError, TimeoutError)


class Interrupted(Exception):
    """Worth another try; `after_s` is what the origin asks for."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Origin:
    """How one repository is asked for, and what to tell who may not."""

    title: str
    address: str
    headers: Callable[[str], Mapping[str, str]] = field(repr=False)
    """Of a request for this URL; they hold secrets."""
    reach: str
    """What to do when it is out of reach."""
    access: str
    """What to do when it refuses."""
    absent: str
    """What to do when there is no such thing."""
    redirects: bool = True
    """Whether it may send us elsewhere, without `authorization` if that is another host."""


class Web:
    """Asks one origin, by one session."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        origin: Origin,
        backoff_s: float,
        says: Callable[[str], None],
    ) -> None:
        self.origin = origin
        self._session = session
        self._backoff_s = backoff_s
        self._says = says

    @asynccontextmanager
    async def get(
        self, url: str, more: Mapping[str, str] | None = None, passed: frozenset[int] = frozenset()
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer of 200 or 206, or one of those `passed`. Raises Interrupted, Failure."""
        headers = {**self.origin.headers(url), **(more or {})}
        try:
            async with self._session.get(
                URL(url, encoded=True),
                headers=headers,
                proxy=_proxy_for(url),
                allow_redirects=self.origin.redirects,
            ) as response:
                if response.status not in (200, 206, *passed):
                    raise _refusal(response, self.origin)
                yield response
        except _BROKE as error:
            raise Interrupted(str(error) or type(error).__name__) from None

    async def read(self, url: str, limit: int) -> bytes:
        """A whole answer of at most `limit` bytes. Raises Failure."""
        patience = self.patience()
        while True:
            try:
                async with self.get(url) as response:
                    return await self._whole(response, limit)
            except Interrupted as error:
                await patience.wait(error)

    async def _whole(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > limit:
                what = f"{self.origin.title}: a listing of more than {limit // 1024**2} MiB"
                raise Failure(Exit.FAILED, what)
        return bytes(content)

    def patience(self) -> "Patience":
        return Patience(self.origin, self._backoff_s, self._says)


class Patience:
    """How often one thing is tried: TRIES in a row that bring nothing new."""

    def __init__(self, origin: Origin, backoff_s: float, says: Callable[[str], None]) -> None:
        self._origin = origin
        self._backoff_s = backoff_s
        self._says = says
        self._began = time.monotonic()
        self._failed = 0

    def progressed(self) -> None:
        self._failed = 0

    async def wait(self, error: Interrupted) -> None:
        """Before the next try. Raises Failure when there is none."""
        self._failed += 1
        if self._failed >= TRIES:
            took = time.monotonic() - self._began
            what = f"{self._origin.address} is out of reach: {error} ({TRIES} tries, {took:.0f} s)"
            kept = "\nwhat has come is kept: the next run goes on there"
            raise Failure(Exit.NOT_RUNNING, what, self._origin.reach + kept)
        backoff = self._backoff_s * 2 ** (self._failed - 1)
        pause = min(max(backoff, error.after_s), LONGEST_WAIT_S)
        self._says(f"{error}; again in {pause:.0f} s")
        await asyncio.sleep(pause)


@asynccontextmanager
async def open_session(idle_s: float) -> AsyncIterator[aiohttp.ClientSession]:
    """Bytes come as they are sent; a connection on which nothing comes is given up."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S, sock_read=idle_s)
    async with aiohttp.ClientSession(
        headers={"user-agent": "bifocal", "accept-encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        auto_decompress=False,
        read_bufsize=_BUFFER,
    ) as session:
        yield session


def _refusal(response: aiohttp.ClientResponse, origin: Origin) -> Exception:
    status, said = response.status, response.headers.get("x-error-message", "")[:200]
    if status in _AGAIN:
        after = response.headers.get("retry-after", "")
        return Interrupted(f"it answers {status}", float(after) if after.isdecimal() else 0.0)
    says = f" and says: {said}" if said.isprintable() and said else ""
    what = f"{origin.title}: answers {status}{says}"
    if status in (401, 403):
        what = f"{origin.title}: access is refused ({status}){says}"
        return Failure(Exit.FAILED, what, origin.access)
    return Failure(Exit.FAILED, what, origin.absent if status == 404 else origin.access)


def _proxy_for(url: str) -> str | None:
    """As the environment's *_PROXY say. Not by aiohttp, which would mix in ~/.netrc's passwords."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
