"""What the environment says: where the hubs are, with which secrets, and where weights are kept.

The variables are the ones that each hub's own library reads. Secrets are shown in no repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.cache import cache_folder
from deploy.failure import Exit, Failure
from serving.addresses import is_loopback

HUB: Final = "https://huggingface.co"
MODELSCOPE: Final = "https://www.modelscope.cn"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Keys for an object store; without them it is asked as anybody."""

    endpoint: str | None = None
    """AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL: a store other than Amazon's."""
    region: str = "us-east-1"
    """AWS_REGION, AWS_DEFAULT_REGION"""
    key_id: str | None = None
    """AWS_ACCESS_KEY_ID"""
    secret: str | None = field(default=None, repr=False)
    """AWS_SECRET_ACCESS_KEY"""
    session: str | None = field(default=None, repr=False)
    """AWS_SESSION_TOKEN"""


@dataclass(frozen=True, slots=True)
class Settings:
    """See `of`."""

    root: Path
    """BIFOCAL_WEIGHTS: a folder of the node's, shared by its replicas."""
    hub: str = HUB
    """HF_ENDPOINT"""
    hub_token: str | None = field(default=None, repr=False)
    """HF_TOKEN"""
    modelscope: str = MODELSCOPE
    """MODELSCOPE_DOMAIN, a host name or an address"""
    modelscope_token: str | None = field(default=None, repr=False)
    """MODELSCOPE_API_TOKEN"""
    bucket: Bucket = Bucket()
    offline: bool = False
    """HF_HUB_OFFLINE: what is on disk, and no network."""
    backoff_s: float = 1.0
    """Before the first retry; it doubles with each one that brings nothing."""
    idle_s: float = 30.0
    """Without a byte: the connection is given up."""

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Settings":
        """An empty variable is one that is not set. Raises Failure for what is no address."""
        found = {name: text.strip() for name, text in env.items() if text.strip()}
        return cls(
            root=Path(found.get("BIFOCAL_WEIGHTS") or cache_folder(found) / "weights").absolute(),
            hub=_address("HF_ENDPOINT", found, HUB),
            hub_token=_token("HF_TOKEN", found, "HF_ENDPOINT"),
            modelscope=_address("MODELSCOPE_DOMAIN", found, MODELSCOPE),
            modelscope_token=_token("MODELSCOPE_API_TOKEN", found, "MODELSCOPE_DOMAIN"),
            bucket=_bucket(found),
            offline=found.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"),
        )


def _bucket(env: Mapping[str, str]) -> Bucket:
    variable = "AWS_ENDPOINT_URL_S3" if "AWS_ENDPOINT_URL_S3" in env else "AWS_ENDPOINT_URL"
    return Bucket(
        endpoint=_address(variable, env, "") or None,
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
        key_id=env.get("AWS_ACCESS_KEY_ID"),
        secret=env.get("AWS_SECRET_ACCESS_KEY"),
        session=_token("AWS_SESSION_TOKEN", env, variable),
    )


def _address(variable: str, env: Mapping[str, str], default: str) -> str:
    text = env.get(variable, default).rstrip("/")
    if variable == "MODELSCOPE_DOMAIN" and "://" not in text:
        text = f"https://{text}"
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        what = f"{variable}: allowed: an address such as https://hub.example.com, without a user"
        raise Failure(Exit.BAD_INPUT, what)
    return text


def _token(variable: str, env: Mapping[str, str], endpoint: str) -> str | None:
    """A bearer token is as good as a password: it travels encrypted or not at all."""
    token = env.get(variable)
    parts = urlsplit(env.get(endpoint, ""))
    if token and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        what = f"{endpoint} is not encrypted, so {variable} could be read on the way"
        raise Failure(Exit.BAD_INPUT, what, f"use https, or unset {variable}")
    return token
