"""The API server, as a pod of the chart asks it: no client library is in the gateway's image."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds who it is."""
TIMEOUT_S: Final = 30.0
PATCH: Final = "application/json-patch+json"


class Refused(Exception):
    """The API server's answer, with its status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Asked(Protocol):
    """The objects of one namespace: the API server's, or a test's own."""

    def ask(self, method: str, kind: str, name: str = "", body: Any = None) -> Any:
        """JSON of the object, or of the list; `kind` is `api/v1/secrets`. A list as body is a
        patch. Raises Refused, OSError."""


@dataclass(frozen=True, slots=True)
class Api:
    """Of one namespace."""

    host: str
    port: int
    token: Path
    """A file, read with each question: the kubelet puts a new token there before the last one
    expires, and a drain can outlast many."""
    namespace: str
    authority: str
    """A file with the certificate that the API server's is signed by."""

    @classmethod
    def here(cls, account: Path, variables: Mapping[str, str]) -> "Api":
        """Of the pod that this runs in."""
        return cls(
            variables["KUBERNETES_SERVICE_HOST"],
            int(variables["KUBERNETES_SERVICE_PORT"]),
            account / "token",
            (account / "namespace").read_text().strip(),
            str(account / "ca.crt"),
        )

    def ask(self, method: str, kind: str, name: str = "", body: Any = None) -> Any:
        """Raises Refused, OSError."""
        group, _, plural = kind.rpartition("/")
        path = f"/{group}/namespaces/{self.namespace}/{plural}{f'/{name}' if name else ''}"
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=TIMEOUT_S, context=context
        )
        content = PATCH if isinstance(body, list) else "application/json"
        token = self.token.read_text().strip()
        headers = {"authorization": f"Bearer {token}", "content-type": content}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: {type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Refused(answer.status, f"{method} {path}: {answer.status} {answer.reason}")
        return json.loads(text)
