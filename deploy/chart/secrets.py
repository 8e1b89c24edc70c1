"""Fills the release's own Secrets, once.

python -m deploy.chart.secrets --tokens NAME --keys NAME

A Job of the chart runs it. The chart renders these Secrets without data, so that no renderer ever
sees a difference; what is in them already stays, so an upgrade changes no key. It may read and
update these Secrets alone, under a ServiceAccount of its own. Nothing is printed but their names.
"""

import argparse
import base64
import http.client
import json
import os
import secrets
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.keys import line_of
from serving.keys import new_key

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds who it is."""
TIMEOUT_S: Final = 30.0
ATTEMPTS: Final = 5
"""Of an update that another one came before."""


class Refused(Exception):
    """The API server's answer, with its status."""


def tokens(_: float) -> dict[str, str]:
    """For Ray, and for the doors of the replicas."""
    return {"auth_token": secrets.token_hex(32), "pool_token": secrets.token_hex(32)}


def keys(now: float) -> dict[str, str]:
    """Two keys: hashed for the gateway, in plain text for whoever may read the Secret."""
    made = {name: new_key(name, None, now) for name in ("admin", "metrics")}
    lines = "".join(f"{line_of(key.record)}\n" for key in made.values())
    return {"keys.yaml": lines, **{name: key.secret for name, key in made.items()}}


MAKERS: Final[Mapping[str, Callable[[float], dict[str, str]]]] = {"tokens": tokens, "keys": keys}


@dataclass(frozen=True, slots=True)
class Api:
    """The Secrets of one namespace."""

    host: str
    port: int
    token: str
    namespace: str
    authority: str
    """A file with the certificate that the API server's is signed by."""

    @classmethod
    def here(cls, account: Path, variables: Mapping[str, str]) -> "Api":
        """Of the pod that this runs in."""
        return cls(
            variables["KUBERNETES_SERVICE_HOST"],
            int(variables["KUBERNETES_SERVICE_PORT"]),
            (account / "token").read_text().strip(),
            (account / "namespace").read_text().strip(),
            str(account / "ca.crt"),
        )

    def ask(self, method: str, name: str, body: Any = None) -> Any:
        """The Secret as JSON. Raises Refused, OSError."""
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=TIMEOUT_S, context=context
        )
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{name}"
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Refused(f"{method} {path}: {answer.status} {answer.reason}")
        return json.loads(text)


def fill(api: Api, name: str, make: Callable[[float], dict[str, str]], now: float) -> bool:
    """Whether it was empty. Two that fill it at once make one: the server takes the first."""
    for attempt in range(ATTEMPTS):
        found = api.ask("GET", name)
        if found.get("data"):
            return False
        found["data"] = {key: _encoded(value) for key, value in make(now).items()}
        try:
            api.ask("PUT", name, found)
        except Refused:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return True
    return False


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Fill the release's own Secrets, once.")
    for kind in MAKERS:
        parser.add_argument(f"--{kind}", metavar="NAME", help=f"the Secret of {kind}")
    given = vars(parser.parse_args(arguments))
    try:
        api = Api.here(ACCOUNT, os.environ)
        for kind, make in MAKERS.items():
            if name := given[kind]:
                print(f"{name}: {'filled' if fill(api, name, make, time.time()) else 'kept'}")
    except (Refused, OSError, KeyError) as error:
        print(f"secrets: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
