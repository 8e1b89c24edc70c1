"""Ray's REST API, as far as one machine needs it."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, Final

from deploy.local.ports import LOOPBACK

APPLICATIONS: Final = "/api/serve/applications/"
TIMEOUT_S: Final = 30.0


class RayAway(Exception):
    """The head does not answer, or not yet."""


class RayRefused(Exception):
    """The head answered with an error; the message is Ray's."""


class RayRest:
    def __init__(self, port: int, token: str | None = None) -> None:
        self._port = port
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def deploy(self, config: Mapping[str, Any]) -> None:
        """Returns when Ray has taken the text, long before the pools are ready."""
        self._ask("PUT", json.dumps(config))

    def applications(self) -> dict[str, Any]:
        """The whole answer: `applications`, `target_groups`, `proxies`..."""
        found: dict[str, Any] = json.loads(self._ask("GET"))
        return found

    def _ask(self, method: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=TIMEOUT_S)
        headers = self._headers | {"content-type": "application/json"}
        try:
            connection.request(method, APPLICATIONS, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RayAway(str(error)) from error
        finally:
            connection.close()
        if response.status >= 500:  # the head is up, what answers behind it is not yet
            raise RayAway(f"Ray answers {response.status}")
        if response.status >= 400:
            raise RayRefused(f"{response.status}: {answer.decode(errors='replace')[:2000]}")
        return answer
