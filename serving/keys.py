"""Who may ask: API keys, known by their hashes alone, each of one team.

Decides whether a secret is a key and whose. It reads no file and no clock: `deploy` hands in the
records and the gateway the time. Quotas are another room's.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from serving.errors import BadKey, NotAllowed
from serving.values import OPEN_TEAM, Team

PREFIX = "bf-"
SECRET_BYTES = 32
"""So much chance that a plain hash protects a key at rest: there is no dictionary to try."""
MAX_SECRET_CHARS = 256
MAX_TEAMS = 1000
"""A team is a label of the metrics, so there is an end to them."""

OPERATE = "operate"
"""The right to drain pools, to force a mode and to revoke keys."""
METRICS = "metrics"
"""To read metrics, as every key may; where it stands alone, nothing else."""
SCOPES = (OPERATE, METRICS)
ID_CHARS = 12
"""Of a key's hash: enough to tell keys apart, and of no use to anyone."""

_TEAM = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INDEX_CHARS = 4


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key at rest. Valid once built; a ValueError says what is wrong."""

    team: Team
    sha256: str
    """Of the whole key, in lower-case hex."""
    expires_at: float | None = None
    """Seconds since the epoch; None never."""
    scopes: frozenset[str] = frozenset()
    """What it may do beside asking for answers, or instead of it."""

    @property
    def id(self) -> str:
        """By which people and records speak of it."""
        return self.sha256[:ID_CHARS]

    @property
    def may_ask(self) -> bool:
        """For answers, and which models there are."""
        return self.scopes != {METRICS}

    def __post_init__(self) -> None:
        if not _TEAM.fullmatch(self.team):
            # What was found is not repeated: people paste keys into the wrong place.
            msg = "team: allowed: 1 to 32 of a-z, 0-9 and -, the first one a letter or a digit"
            raise ValueError(msg)
        if not _SHA256.fullmatch(self.sha256):
            msg = f"sha256 of team {self.team}: allowed: the 64 characters 0-9, a-f of a SHA-256"
            raise ValueError(msg)
        if not self.scopes <= set(SCOPES):
            msg = f"scopes of team {self.team}: allowed: {', '.join(SCOPES)}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only moment at which its secret is known."""

    secret: str
    record: KeyRecord

    def __repr__(self) -> str:
        return f"NewKey(record={self.record!r})"  # a log of it must not hold the secret


class KeyStore(Protocol):
    """Tells whose a key is."""

    def record_of(self, secret: str | None, now: float) -> KeyRecord | None:
        """None where there are no keys. Raises BadKey for no key, an unknown one, or one that has
        expired."""

    def starting(self, start: str) -> tuple[KeyRecord, ...]:
        """Keys whose hash begins so."""


class NoKeys:
    """The store of an endpoint on loopback that was given no file of keys: everyone is let in.

    An empty file is not this: a ring whose last key was revoked lets nobody in.
    """

    def record_of(self, secret: str | None, now: float) -> KeyRecord | None:
        return None

    def starting(self, start: str) -> tuple[KeyRecord, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one moment. Built by `KeyRing.of`."""

    _by_start: dict[str, tuple[KeyRecord, ...]]
    """By the first characters of the hash, so that a thousand keys cost no more than one. They
    tell nothing of a secret of 256 bits; the rest is compared in constant time."""

    @classmethod
    def of(cls, records: Iterable[KeyRecord]) -> Self:
        """Raises ValueError for a hash that stands there twice and for too many teams."""
        by_start: dict[str, tuple[KeyRecord, ...]] = {}
        teams: set[Team] = set()
        for record in records:
            start = record.sha256[:_INDEX_CHARS]
            peers = by_start.get(start, ())
            if any(peer.sha256 == record.sha256 for peer in peers):
                msg = f"the same sha256 stands there twice, the second time for {record.team}"
                raise ValueError(msg)
            by_start[start] = (*peers, record)
            teams.add(record.team)
        if len(teams) > MAX_TEAMS:
            msg = f"{len(teams)} teams; allowed: at most {MAX_TEAMS}"
            raise ValueError(msg)
        return cls(by_start)

    def __len__(self) -> int:
        return sum(map(len, self._by_start.values()))

    def starting(self, start: str) -> tuple[KeyRecord, ...]:
        return tuple(
            record
            for peers in self._by_start.values()
            for record in peers
            if record.sha256.startswith(start)
        )

    def record_of(self, secret: str | None, now: float) -> KeyRecord:
        if not secret:
            msg = "no API key; send one as `Authorization: Bearer KEY` or `x-api-key: KEY`"
            raise BadKey(msg)
        record = self._found(secret)
        if record is None:
            msg = "unknown API key; ask those who run this endpoint for one"
            raise BadKey(msg)
        if record.expires_at is not None and now >= record.expires_at:
            msg = "this API key has expired; ask those who run this endpoint for a new one"
            raise BadKey(msg)
        return record

    def _found(self, secret: str) -> KeyRecord | None:
        if len(secret) > MAX_SECRET_CHARS:
            return None
        hashed = digest(secret)
        found = None
        for record in self._by_start.get(hashed[:_INDEX_CHARS], ()):
            if hmac.compare_digest(record.sha256, hashed):
                found = record
        return found


def team_of(record: KeyRecord | None) -> Team:
    """Of a key; None where there are no keys."""
    return OPEN_TEAM if record is None else record.team


def check_asks(record: KeyRecord | None) -> None:
    """Raises NotAllowed for a key that may do something else alone."""
    if record is not None and not record.may_ask:
        msg = (
            "this key reads metrics and nothing else; ask those who run this endpoint for one"
            " without `scopes: [metrics]` (`bifocal key new`)"
        )
        raise NotAllowed(msg)


def next_expiries(records: Iterable[KeyRecord], now: float) -> dict[Team, float]:
    """When the first of a team's keys expires, of those that will."""
    found: dict[Team, float] = {}
    for record in records:
        if record.expires_at is not None and record.expires_at > now:
            found[record.team] = min(record.expires_at, found.get(record.team, record.expires_at))
    return found


def new_key(
    team: str,
    expires_s: float | None,
    now: float,
    entropy: Callable[[int], str] = secrets.token_urlsafe,
    scopes: Iterable[str] = (),
) -> NewKey:
    """`bf-` and 43 url-safe characters. Raises ValueError for a name that no team may have."""
    secret = PREFIX + entropy(SECRET_BYTES)
    expires_at = None if expires_s is None else now + expires_s
    return NewKey(secret, KeyRecord(Team(team), digest(secret), expires_at, frozenset(scopes)))


def digest(secret: str) -> str:
    # A header may hold any character; what UTF-8 cannot hold must not become an error of ours.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
