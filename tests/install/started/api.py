"""What a kubelet asks of the API server."""

import http
from contextlib import suppress
from typing import Final

from tests.install.helm import Manifest
from tests.install.server import Answer, ApiServer
from tests.install.started.variables import NotThere

NODE: Final = "here"


class Api:
    """Of one namespace."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.root = f"/api/v1/namespaces/{namespace}"
        self._namespace = namespace

    def pods(self) -> list[Manifest]:
        found: list[Manifest] = self.server.ask("GET", f"{self.root}/pods")["items"]
        return found

    def get(self, kind: str, name: str) -> Manifest:
        """Raises NotThere."""
        try:
            found: Manifest = self.server.ask("GET", f"{self.root}/{kind}/{name}")
        except Answer as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                raise NotThere(f"{kind}/{name}") from None
            raise
        return found

    def token(self, account: str) -> str:
        return self.server.token_of(self._namespace, account)

    def bind(self, name: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.server.ask("POST", f"{self.root}/pods/{name}/binding", body)

    def report(self, name: str, status: Manifest) -> None:
        """Of a pod that may be gone. Raises OSError."""
        with suppress(Answer):
            self.server.ask(
                "PATCH",
                f"{self.root}/pods/{name}/status",
                {"status": status},
                content="application/merge-patch+json",
            )

    def forget(self, name: str) -> None:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        with suppress(Answer):
            self.server.ask("DELETE", f"{self.root}/pods/{name}", options)
