"""What a pool's replica is handed to have its weights fetched: `pull`, in the replica's terms."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from deploy.failure import Exit, Failure
from deploy.source import Source, parse
from deploy.weights.disk import DiskTooSmall
from deploy.weights.pace import Pace
from deploy.weights.pull import Pulled, Told, commit_of, pull
from deploy.weights.settings import Settings
from serving.pools.weights import Note, NotNow, NoWeights, Wanted

PINNED_WITHIN_S: Final = 10.0
"""A hub that is slower to say what a branch is does not keep the pool from being placed."""
SAYS_EVERY_S: Final = 5.0
"""A line in the replica's log, whose first MiB is read while it starts: enough for ten hours."""


class Puller:
    """A `serving.pools.weights.Fetcher`; it goes by the environment of the node that it is on."""

    async def pinned(self, wanted: Wanted) -> Wanted:
        try:
            source, settings = _read(wanted)
            async with asyncio.timeout(PINNED_WITHIN_S):
                commit = await commit_of(source, settings)
        except (Failure, TimeoutError):
            return wanted  # the replica asks again, and says why it cannot
        return replace(wanted, source=str(replace(source, revision=commit)))

    async def fetched(self, wanted: Wanted, note: Note) -> str:
        try:
            source, settings = _read(wanted)
            told = Told(note, _progress(note))
            return str((await _pulled(source, settings, told)).folder)
        except Failure as error:
            raise _for_pools(error) from None


async def _pulled(source: Source, settings: Settings, told: Told) -> Pulled:
    try:
        return await pull(source, settings, told=told)
    except Failure as error:
        if error.code is not Exit.NOT_RUNNING:
            raise
        return await _as_it_was(source, settings, told, error)


async def _as_it_was(source: Source, settings: Settings, told: Told, away: Failure) -> Pulled:
    """What a branch was when it was last pulled is better than no pool. Raises `away`."""
    try:
        found = await pull(source, replace(settings, offline=True), told=told)
    except Failure:
        raise away from None
    told.says(f"{away.what}; {found.folder} is what {source.revision} was")
    return found


def _read(wanted: Wanted) -> tuple[Source, Settings]:
    return parse(wanted.source), Settings.of({**os.environ, **wanted.env})


def _progress(note: Note) -> Callable[[int, int], None]:
    """Notes it now and then."""
    pace: Pace | None = None
    due = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal pace, due
        now = time.monotonic()
        pace = Pace.since(pace, now, done)
        if now >= due or done >= total:
            note(pace.words(now, done, total))
            due = now + SAYS_EVERY_S

    return tell


def _for_pools(error: Failure) -> NoWeights:
    waits = error.code is Exit.NOT_RUNNING or isinstance(error, DiskTooSmall)
    text = f"{error.what}\n{error.remedy}" if error.remedy else error.what
    return (NotNow if waits else NoWeights)(text)
