"""Where the replicas of each pool are, and what state the pool is in.

Ray's REST API knows both (`target_groups` and the applications' status); a pool that something
else runs has fixed addresses. A source that cannot answer raises, and what was known stays.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from serving.values import ModelName, Target, TargetId

ANSWER_WITHIN: Final = aiohttp.ClientTimeout(total=5)
"""Ray's controller answers in milliseconds, or is away."""


class PoolState(StrEnum):
    UNKNOWN = "unknown"
    """Its source has not answered yet."""
    MISSING = "missing"
    """Its source does not know it, yet or any more."""
    LOADING = "loading"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One pool as its source sees it."""

    state: PoolState
    targets: tuple[Target, ...] = ()
    complete: bool = True
    """Whether `targets` are all that there are. While Ray builds an application anew it names none
    of its replicas, which answer on."""
    since: float | None = None
    """When it was last deployed, in seconds since the epoch."""
    message: str = ""
    """The source's own words, for operators only."""
    wanted: int | None = None
    """Replicas that there should be, where the source knows it."""


class SourceUnavailable(Exception):
    """The source could not answer, or not in a way that can be read."""


class TargetSource(Protocol):
    """Knows some of the pools."""

    async def pools(self, session: aiohttp.ClientSession) -> Mapping[ModelName, PoolStatus]:
        """Each of them, the missing too. Raises SourceUnavailable."""


class FixedSource:
    """Pools at addresses that are given once, and the token of each that asks for one."""

    def __init__(
        self,
        urls: Mapping[ModelName, Sequence[str]],
        tokens: Mapping[ModelName, str] = MappingProxyType({}),
    ) -> None:
        self._pools = {
            name: PoolStatus(
                PoolState.RUNNING,
                tuple(_fixed(url, tokens.get(name)) for url in given),
                wanted=len(given),
            )
            for name, given in urls.items()
        }

    async def pools(self, session: aiohttp.ClientSession) -> Mapping[ModelName, PoolStatus]:
        return self._pools


def _fixed(url: str, token: str | None) -> Target:
    # A base URL is often written as OpenAI's clients take it.
    plain = url.rstrip("/").removesuffix("/v1")
    return Target(TargetId(plain), plain, token)


class RaySource:
    """Pools that are Serve applications, asked of the dashboard of a Ray cluster: `token` is for
    the dashboard, `pool_token` for the replicas that it names. Pools that `sleep` may have no
    replica while nobody asks; Serve's own proxy is then what a request wakes them by."""

    def __init__(
        self,
        names: Iterable[ModelName],
        url: str,
        token: str | None = None,
        pool_token: str | None = None,
        sleep: Container[ModelName] = (),
    ) -> None:
        self._pool_token, self._sleep = pool_token, sleep
        self._knew_some = False
        self._missing = dict.fromkeys(names, PoolStatus(PoolState.MISSING))
        self._url = f"{url.rstrip('/')}/api/serve/applications/"
        self._headers = {"accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    async def pools(self, session: aiohttp.ClientSession) -> Mapping[ModelName, PoolStatus]:
        try:
            async with session.get(
                self._url, headers=self._headers, timeout=ANSWER_WITHIN
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            msg = f"{self._url} cannot be reached ({type(error).__name__})"
            raise SourceUnavailable(msg) from error
        if response.status != 200:
            msg = f"{self._url} answered {response.status}"
            raise SourceUnavailable(msg)
        found = parse_applications(body, self._pool_token, self._sleep)
        if not found and self._knew_some:
            # So the dashboard answers while Serve's controller is away; of pools that were truly
            # deleted, all of them, the replicas will not answer either.
            msg = f"{self._url} knows no application any more"
            raise SourceUnavailable(msg)
        self._knew_some = any(
            found[name].targets or not found[name].complete for name in self._missing & found.keys()
        )
        return {name: found.get(name, missing) for name, missing in self._missing.items()}


class _Address(msgspec.Struct):
    ip: str
    port: int
    name: str = ""


class _Group(msgspec.Struct):
    targets: list[_Address] = []
    route_prefix: str = "/"
    protocol: str = "HTTP"
    app_name: str = ""


class _Application(msgspec.Struct):
    status: str = ""
    message: str = ""
    last_deployed_time_s: float | None = None
    deployments: dict[str, Any] | None = None

    @property
    def is_built_anew(self) -> bool:
        """Ray forgets what an application consists of until it has built it as it shall be; its
        replicas are still those of before."""
        return self.deployments == {} and self.status in ("DEPLOYING", "DEPLOY_FAILED")

    @property
    def wanted(self) -> int | None:
        """Replicas of all its deployments, of which a pool has one."""
        told = (self.deployments or {}).values()
        counts = [d.get("target_num_replicas") for d in told if isinstance(d, dict)]
        known = [count for count in counts if isinstance(count, int)]
        return sum(known) if known else None


class _Answer(msgspec.Struct):
    applications: dict[str, _Application] = {}
    target_groups: list[Any] = []


_PROXY: Final = "SERVE_PROXY_ACTOR"
"""How the names of Serve's proxies begin, which Ray gives for a pool that has no replica."""

_decode: Final = msgspec.json.Decoder(_Answer).decode

_STATES: Final = {
    "NOT_STARTED": PoolState.LOADING,
    "DEPLOYING": PoolState.LOADING,
    "RUNNING": PoolState.RUNNING,
    "UNHEALTHY": PoolState.RUNNING,
    "DEPLOY_FAILED": PoolState.FAILED,
    "DELETING": PoolState.MISSING,
}


def parse_applications(
    body: bytes, pool_token: str | None = None, sleep: Container[ModelName] = ()
) -> Mapping[ModelName, PoolStatus]:
    """The schema is Ray's alpha, so only what is needed is read, and a group that cannot be read
    is passed over."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"Ray's answer cannot be read: {error}"
        raise SourceUnavailable(msg) from error
    targets = _targets_by_app(answer.target_groups, pool_token, sleep)
    return {
        ModelName(name): PoolStatus(
            state=_STATES.get(application.status, PoolState.UNKNOWN),
            targets=tuple(targets.get(name, ())),
            complete=not application.is_built_anew,
            since=application.last_deployed_time_s,
            message=application.message,
            wanted=application.wanted,
        )
        for name, application in answer.applications.items()
    }


def _targets_by_app(
    groups: Sequence[Any], token: str | None, sleep: Container[ModelName]
) -> dict[str, list[Target]]:
    found: dict[str, list[Target]] = {}
    for raw in groups:
        try:
            group = msgspec.convert(raw, _Group)
        except msgspec.ValidationError:
            continue
        if group.app_name and group.protocol.upper().endswith("HTTP"):
            targets = found.setdefault(group.app_name, [])
            targets.extend(
                _target(group, at, token)
                for at in group.targets
                if group.app_name in sleep or not at.name.startswith(_PROXY)
            )
    return found


def _target(group: _Group, at: _Address, token: str | None) -> Target:
    host = f"[{at.ip}]" if ":" in at.ip else at.ip
    url = f"http://{host}:{at.port}{group.route_prefix.rstrip('/')}"
    return Target(TargetId(f"{at.name or 'replica'}@{host}:{at.port}"), url, token)
