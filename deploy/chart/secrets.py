"""Fills the release's own Secrets, once.

python -m deploy.chart.secrets --tokens NAME --keys NAME

A Job of the chart runs it. The chart renders these Secrets without data, so that no renderer ever
sees a difference; what is in them already stays, so an upgrade changes no key. It may read and
update these Secrets alone, under a ServiceAccount of its own. Nothing is printed but their names.
"""

import argparse
import base64
import http
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from deploy.chart.api import ACCOUNT, Api, Asked, Refused
from deploy.keys import line_of
from serving.keys import METRICS, OPERATE, new_key

SECRETS: Final = "api/v1/secrets"
ATTEMPTS: Final = 5
"""Of an update that another one came before; what is refused for another reason stays refused."""


def tokens(_: float) -> dict[str, str]:
    """For Ray, and for the doors of the replicas."""
    return {"auth_token": secrets.token_hex(32), "pool_token": secrets.token_hex(32)}


def keys(now: float) -> dict[str, str]:
    """Two keys: hashed for the gateway, in plain text for whoever may read the Secret."""
    made = {
        "admin": new_key("admin", None, now, scopes=(OPERATE,)),
        "metrics": new_key("metrics", None, now, scopes=(METRICS,)),
    }
    lines = "".join(f"{line_of(key.record)}\n" for key in made.values())
    return {"keys.yaml": lines, **{name: key.secret for name, key in made.items()}}


MAKERS: Final[Mapping[str, Callable[[float], dict[str, str]]]] = {"tokens": tokens, "keys": keys}


def fill(
    api: Asked,
    name: str,
    make: Callable[[float], dict[str, str]],
    now: float,
    attempts: int = ATTEMPTS,
) -> bool:
    """Whether it was empty. Two that fill it at once make one: the server takes the first, and the
    other finds it filled. Raises Refused, OSError."""
    found = api.ask("GET", SECRETS, name)
    if found.get("data"):
        return False
    found["data"] = {key: _encoded(value) for key, value in make(now).items()}
    try:
        api.ask("PUT", SECRETS, name, found)
    except Refused as error:
        if error.status != http.HTTPStatus.CONFLICT or attempts == 1:
            raise
        return fill(api, name, make, now, attempts - 1)
    return True


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
