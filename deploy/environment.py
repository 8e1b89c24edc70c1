"""What the environment says: secrets and addresses, which never stand in a cluster file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deploy.config import ConfigError


@dataclass(frozen=True, slots=True)
class Environment:
    """What comes from environment variables: secrets, and where things are."""

    pool_token: str | None = field(default=None, repr=False)
    """BIFOCAL_POOL_TOKEN: opens the doors of the replicas."""
    ray_url: str = "http://127.0.0.1:8265"
    """BIFOCAL_RAY_URL: Ray's dashboard, which knows where the replicas are; where each entry of
    `gpus` is a Ray cluster of its own, `{gpus}` in it is the entry's name."""
    ray_token: str | None = field(default=None, repr=False)
    """BIFOCAL_RAY_TOKEN: for a Ray cluster that asks for one."""
    url: str | None = None
    """BIFOCAL_URL: the service that the command talks to."""
    key: str | None = field(default=None, repr=False)
    """BIFOCAL_KEY: the API key that the command sends."""


def environment(variables: Mapping[str, str]) -> Environment:
    """An empty variable is one that is not set. Raises ConfigError for what is no URL."""
    found: dict[str, Any] = {
        name: text
        for name in Environment.__slots__
        if (text := variables.get(f"BIFOCAL_{name.upper()}", "").strip())
    }
    for name in ("ray_url", "url"):
        if name in found:
            found[name] = address_of(f"BIFOCAL_{name.upper()}", found[name])
    return Environment(**found)


def address_of(name: str, text: str) -> str:
    """`name` is what gave the text, for the message. Raises ConfigError."""
    if not _is_address(text):
        msg = f"{name}: found {text!r}; allowed: an address such as http://127.0.0.1:8000"
        raise ConfigError(msg)
    return text.rstrip("/")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that stays open, a port above 65535
        return False
