"""Keeps addresses and names as the namespace's Services and Endpoints say, four times a second.

Which pods are behind a Service, the API server's own controllers say.
"""

import threading
from collections.abc import Iterator
from typing import Final

from tests.install.helm import Manifest
from tests.install.server import IN_CLUSTER, Answer, ApiServer
from tests.install.started.network import Forwarding, Network

LOOK_S: Final = 0.25
HEADLESS: Final = "None"


class Services:
    def __init__(self, server: ApiServer, namespace: str, network: Network) -> None:
        self._server, self._namespace, self._network = server, namespace, network
        self._forwarding = Forwarding(network)
        self._addresses: set[str] = set()
        self.failures: list[BaseException] = []
        self._over = threading.Event()
        self._serve(IN_CLUSTER, 443, (("127.0.0.1", server.port),))
        self._thread = threading.Thread(target=self._look, name="endpoints")
        self._thread.start()

    def _look(self) -> None:
        root = f"/api/v1/namespaces/{self._namespace}"
        while not self._over.wait(LOOK_S):
            try:
                found = self._server.ask("GET", f"{root}/services")["items"]
                behind = self._server.ask("GET", f"{root}/endpoints")["items"]
                self._sync(found, {each["metadata"]["name"]: each for each in behind})
            except (OSError, Answer):
                continue
            except BaseException as error:
                self.failures.append(error)
                raise

    def _sync(self, found: list[Manifest], behind: dict[str, Manifest]) -> None:
        names: dict[str, str] = {}
        for service in found:
            name, address = service["metadata"]["name"], service["spec"]["clusterIP"]
            subsets = behind.get(name, {}).get("subsets") or []
            if address == HEADLESS:
                address = next((ip for ip, _ in _ends(subsets, None)), None)
            else:
                for port in service["spec"]["ports"]:
                    self._serve(address, port["port"], tuple(_ends(subsets, port.get("name"))))
            if address:
                names |= dict.fromkeys(self._names(name), address)
        self._network.name(names)

    def _serve(self, address: str, port: int, ends: tuple[tuple[str, int], ...]) -> None:
        if address not in self._addresses:
            self._network.add_address(address)
            if address != IN_CLUSTER:
                self._network.reach(address)
            self._addresses.add(address)
        self._forwarding.set(address, port, ends)

    def _names(self, name: str) -> tuple[str, ...]:
        short = f"{name}.{self._namespace}"
        return name, short, f"{short}.svc", f"{short}.svc.cluster.local"

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._forwarding.end()


def _ends(subsets: list[Manifest], port: str | None) -> Iterator[tuple[str, int]]:
    """Those that are ready; of any port, the first."""
    for subset in subsets:
        ports = [each for each in subset.get("ports", []) if port in (None, each.get("name"))]
        for address in subset.get("addresses") or []:
            if ports:
                yield address["ip"], ports[0]["port"]
