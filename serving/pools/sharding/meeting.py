"""Data-parallel engines: where their processes meet, torch listens to everyone.

Ranks find each other in a store that rank 0 keeps under an address that all are told. Torch listens
for them on every address of the machine whatever was told, and asks nobody who they are, while vLLM
unpickles what it finds there. Here the store listens where it is told to: on one node on loopback.

For vLLM 0.29 with torch 2.13.
"""

import errno
import socket
from types import ModuleType
from typing import Any, Final

from torch.distributed import TCPStore

MODULES: Final = ("torch.distributed.rendezvous", "vllm.distributed.utils")
BACKLOG: Final = 2048


def repair(module: ModuleType) -> None:
    module.TCPStore = store_where_told  # type: ignore[attr-defined]


def store_where_told(*given: Any, **named: Any) -> Any:
    """Where both modules keep a store, they name all that they give. Where one listens already,
    torch is left to find it: it shares the store that is there."""
    if given or not named.get("is_master") or "master_listen_fd" in named:
        return TCPStore(*given, **named)
    try:
        heard = _heard_at(named["host_name"], named["port"])
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return TCPStore(**named)
    port = heard.getsockname()[1]  # 0 asked for any
    return TCPStore(**{**named, "port": port, "master_listen_fd": heard.detach()})


def _heard_at(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    heard = socket.socket(family, socket.SOCK_STREAM)
    try:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.bind(address)
        heard.listen(BACKLOG)
    except OSError:
        heard.close()
        raise
    return heard
