"""Each contender: how it is started, when it is ready, and how it is asked.

All of a run are alive at once, since rounds are interleaved; one that is not asked costs no CPU.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ops.bench.measure import Contender
from ops.bench.processes import LOOPBACK, free_port, running, wait_until_ready
from ops.bench.values import (
    BARE,
    ENGINE_LOADS,
    GATEWAY,
    INGRESS,
    MOCK,
    MOCK_GATEWAY,
    MOCK_LOADS,
    MOCK_PASSED,
    REPLICA,
    Load,
)

SERVER_S: Final = 30.0
ENGINE_S: Final = 600.0
"""Three engines start at once on two cores; one alone takes half a minute and more."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Engine:
    """The model as every engine of the run is given it: vLLM's arguments and environment."""

    model: str
    source: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str]

    @property
    def alone(self) -> dict[str, str]:
        """The environment of a vLLM to which Bifocal adds nothing, as it would wherever its
        distribution is installed."""
        return {**self.environment, "VLLM_PLUGINS": ""}


@dataclass(frozen=True, slots=True)
class Front:
    """A gateway that can be started: its command, and how it is asked once it stands."""

    command: tuple[str, ...]
    url: str
    headers: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/health"
    """A path that answers 200 once it can be asked."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The product's own cluster of one pool, up and ready."""

    gateway_url: str
    gateway_headers: Mapping[str, str]
    replica_url: str
    replica_headers: Mapping[str, str]
    pids: tuple[int, ...]
    """Of the gateway, of the Ray head: roots of all its processes."""


@dataclass(frozen=True, slots=True)
class Product:
    """What only the product's own commands know."""

    engine: Engine
    gateway_before: Callable[[str, Path], Front]
    """Takes an upstream's URL and a folder for its files."""
    cluster: Callable[[Path], AbstractContextManager[Cluster]]


@dataclass(frozen=True, slots=True)
class Room:
    """Where logs and files of a run are, and who hears of its progress."""

    folder: Path
    say: Say

    def log(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-').replace(',', '')}.log"


@contextmanager
def mocks(product: Product, room: Room) -> Iterator[tuple[Contender, ...]]:
    """The mock by itself, the pass-through before it, the gateway before it."""
    with ExitStack() as stack:
        upstream, mock_pid = _server(stack, room, MOCK, "ops.bench.mock", ("--lifespan", "off"), {})
        url, pass_pid = _server(
            stack, room, MOCK_PASSED, "ops.bench.passthrough", (), {"UPSTREAM": upstream}
        )
        front = product.gateway_before(upstream, room.folder)
        gateway_pid = _stand(stack, room, MOCK_GATEWAY, front)
        yield (
            Contender(MOCK, upstream, "mock", MOCK_LOADS, {}, (mock_pid,)),
            Contender(MOCK_PASSED, url, "mock", MOCK_LOADS, {}, (pass_pid, mock_pid)),
            Contender(
                MOCK_GATEWAY,
                front.url,
                product.engine.model,
                MOCK_LOADS,
                front.headers,
                (gateway_pid, mock_pid),
            ),
        )


def _server(
    stack: ExitStack,
    room: Room,
    name: str,
    module: str,
    options: Sequence[str],
    env: Mapping[str, str],
) -> tuple[str, int]:
    """An ASGI application of this package under uvicorn, set as the gateway's own server is."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"{module}:application", f"--port={port}"]
    command += ["--log-level=warning", "--no-access-log", "--loop=uvloop", "--http=httptools"]
    front = Front((*command, *options), f"http://{LOOPBACK}:{port}", {}, env)
    return front.url, _stand(stack, room, name, front)


def _stand(
    stack: ExitStack, room: Room, name: str, front: Front, timeout_s: float = SERVER_S
) -> int:
    """Starts it and waits; the process's id."""
    room.say(f"starting {name}")
    process = stack.enter_context(running(front.command, room.log(name), front.env))
    wait_until_ready(front.url + front.ready, process, room.log(name), timeout_s)
    return process.pid


@contextmanager
def engines(product: Product, room: Room) -> Iterator[tuple[Contender, ...]]:
    """Three engines: bare vLLM, the product's cluster (asked twice), the default ingress."""
    model = product.engine.model
    with ExitStack() as stack:
        bare = bare_vllm(product.engine)
        bare_pid = _stand(stack, room, BARE, bare, ENGINE_S)
        room.say(f"starting {GATEWAY} and {REPLICA}")
        cluster = stack.enter_context(product.cluster(room.folder))
        ingress = default_ingress(product.engine, room.folder)
        ingress_pid = _stand(stack, room, INGRESS, ingress, ENGINE_S)
        none: dict[str, str] = {}
        asked = (
            (BARE, bare.url, none, (bare_pid,)),
            (REPLICA, cluster.replica_url, cluster.replica_headers, cluster.pids),
            (GATEWAY, cluster.gateway_url, cluster.gateway_headers, cluster.pids),
            (INGRESS, ingress.url, none, (ingress_pid,)),
        )
        yield tuple(
            Contender(name, url, model, ENGINE_LOADS, headers, pids)
            for name, url, headers, pids in asked
        )


def bare_vllm(engine: Engine) -> Front:
    """vLLM's own server with the same engine, and no log line a request."""
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += [f"--model={engine.source}", f"--served-model-name={engine.model}"]
    command += [f"--host={LOOPBACK}", f"--port={port}", "--disable-uvicorn-access-log"]
    options = (*command, *flags(engine.arguments))
    return Front(options, f"http://{LOOPBACK}:{port}", {}, engine.alone)


def flags(arguments: Mapping[str, Any]) -> list[str]:
    """vLLM's arguments as its command line has them; what is false is left out."""
    found = []
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            found.append(flag)
        elif value is not False and value is not None:
            found.append(f"{flag}={value}")
    return found


def default_ingress(engine: Engine, folder: Path) -> Front:
    """Ray Serve LLM as it comes, in a Ray cluster of its own."""
    port = free_port()
    task = {
        "model": engine.model,
        "source": engine.source,
        "arguments": dict(engine.arguments),
        "environment": engine.alone,
        "port": port,
        "folder": str(folder / "ray"),
    }
    command = (sys.executable, "-m", "ops.bench.default_ingress", json.dumps(task))
    # Its own health route is not its ingress's.
    url = f"http://{LOOPBACK}:{port}"
    return Front(command, url, {}, engine.alone, ready="/v1/models")


def peers(product: Product, urls: Sequence[str], loads: tuple[Load, ...]) -> tuple[Contender, ...]:
    """Whatever else stands there already and serves the model by the same name."""
    return tuple(Contender(url, url.rstrip("/"), product.engine.model, loads) for url in urls)
