"""Files brought from an origin into a folder: resumed where they broke off, and checked.

One downloader for every origin. What is there already and right is left alone; a wrong byte costs
one more try of the whole file, and is told if it comes again.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import aiohttp

from deploy.failure import Exit, Failure
from deploy.weights.disk import FULL, DiskTooSmall, free_at, require
from deploy.weights.files import RemoteFile
from deploy.weights.manifest import Entry
from deploy.weights.part import Part, kept, part_path
from deploy.weights.web import Interrupted, Web
from serving.sizes import in_words

AT_ONCE: Final = 4
"""Files. One connection to a hub's CDN seldom fills a node's link; each costs a hash, too."""
_BLOCK: Final = 4 * 1024 * 1024
_WORTH_A_TRY: Final = 16 * 1024 * 1024
"""A try that brought so many bytes is not counted as one that failed, so a large file survives
any number of cuts, and a connection that drips ends."""
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_RANGE_ANSWERS: Final = frozenset({416})


P = ParamSpec("P")
R = TypeVar("R")


class Tally:
    """Bytes that are on the disk, of those that shall be."""

    def __init__(self, total: int, told: Callable[[int, int], None]) -> None:
        self._total = total
        self._told = told
        self._have: dict[str, int] = {}
        self.downloaded = 0

    def set(self, file: RemoteFile, size: int) -> None:
        if self._have.get(file.name) == size:
            return
        self._have[file.name] = size
        self._told(sum(self._have.values()), self._total)


class Downloader:
    """Fills one folder, which is this process's alone."""

    def __init__(self, web: Web, folder: Path, tally: Tally) -> None:
        self._web = web
        self._folder = folder
        self._tally = tally
        self._places = asyncio.Semaphore(AT_ONCE)

    async def all(self, files: tuple[RemoteFile, ...]) -> tuple[Entry, ...]:
        """Raises Failure: the first one ends the others, whose parts stay."""
        require(missing(self._folder, files), free_at(self._folder), self._folder)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(file)) for file in files]
        except ExceptionGroup as errors:
            raise _failure(errors, self._folder) from None
        return tuple(task.result() for task in tasks)

    async def _one(self, file: RemoteFile) -> Entry:
        async with self._places:
            sha256 = await asyncio.to_thread(kept, self._folder, file)
            sha256 = sha256 or await self._fetched(file)
            self._tally.set(file, file.size)
            return Entry(file.name, file.size, sha256)

    async def _fetched(self, file: RemoteFile) -> str:
        """Its sha256. Raises Failure when its bytes are wrong twice."""
        found = await self._try(file)
        return found[1] if found[0] else await self._again(file, found[1])

    async def _again(self, file: RemoteFile, wrong: str) -> str:
        right, found = await self._try(file)
        if right:
            return found
        digest = file.digest
        what = f"{file.name}: expected {digest.algorithm} {digest.hex}, found {found}"
        before = "" if found == wrong else f" (and {wrong} before)"
        remedy = f"its bytes are wrong, twice, so it was removed; asked was {file.url}"
        raise Failure(Exit.FAILED, what + before, remedy)

    async def _try(self, file: RemoteFile) -> tuple[bool, str]:
        """Whether the bytes are right, and the sha256 (else the digest that was found)."""
        part = Part(self._folder, file)
        try:
            await to_its_end(part.resume)
            self._tally.set(file, part.size)
            await self._fill(part)
            if part.is_right:
                return True, await to_its_end(part.finish)
            part.remove()
            return False, part.found
        finally:
            part.close()

    async def _fill(self, part: Part) -> None:
        patience = self._web.patience()
        while part.size < part.file.size:
            before = part.size
            try:
                await self._stream(part)
                if part.size < part.file.size:
                    why = f"it ended at byte {part.size:,} of {part.file.size:,}"
                    raise Interrupted(why)
            except Interrupted as error:
                if part.size - before >= _WORTH_A_TRY:
                    patience.progressed()
                await patience.wait(_of_file(error, part))

    async def _stream(self, part: Part) -> None:
        """From where the part ends, if it is still of the same content. Raises Interrupted."""
        headers = {"range": f"bytes={part.size}-"} if part.size else {}
        if part.size and part.etag:
            headers["if-range"] = part.etag
        async with self._web.get(part.file.url, headers, _RANGE_ANSWERS) as response:
            self._place(part, response)
            part.etag = _strong(response.headers.get("etag", ""))
            await self._append(part, response.content)

    async def _append(self, part: Part, content: aiohttp.StreamReader) -> None:
        """In large blocks, as every change of threads takes its time; a cut loses none of one."""
        block = bytearray()
        try:
            async for chunk in content.iter_any():
                block += chunk
                if len(block) >= _BLOCK:
                    full, block = block, bytearray()  # taken out first: never written twice
                    await self._write(part, full)
        finally:
            await self._write(part, block)

    async def _write(self, part: Part, block: bytearray) -> None:
        await to_its_end(part.append, block)
        self._tally.downloaded += len(block)
        self._tally.set(part.file, part.size)

    def _place(self, part: Part, response: aiohttp.ClientResponse) -> None:
        """Begins anew unless the answer goes on where the part ends."""
        if response.status == 206:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if found and int(found[1]) == part.size:
                return
        part.restart()
        if response.status != 200:
            why = f"it does not answer from the asked byte on ({response.status})"
            raise Interrupted(why)


def missing(folder: Path, files: tuple[RemoteFile, ...]) -> int:
    """Bytes to be written yet, by the sizes of what is there."""
    return sum(max(0, file.size - _there(folder, file)) for file in files)


def _there(folder: Path, file: RemoteFile) -> int:
    paths = (folder / file.name, part_path(folder, file))
    sizes = [path.lstat().st_size for path in paths if path.exists()]
    return max(sizes, default=0)


async def to_its_end(act: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """In a thread, and to its end also when cancelled: its file must not be closed under it."""
    doing = asyncio.create_task(asyncio.to_thread(act, *args, **kwargs))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


def _of_file(error: Interrupted, part: Part) -> Interrupted:
    at = f"{part.file.name} at {in_words(part.size)} of {in_words(part.file.size)}"
    return Interrupted(f"{at}: {error}", error.after_s)


def _strong(etag: str) -> str:
    """A weak one does not speak of bytes, so it is not sent back."""
    return "" if etag.startswith("W/") else etag


def _failure(errors: ExceptionGroup, folder: Path) -> Exception:
    """The first of several, as a person is told it."""
    error = errors.exceptions[0]
    if not isinstance(error, OSError):
        return error
    if error.errno in FULL:
        what = f"the disk is full: {in_words(free_at(folder))} free at {folder}"
        return DiskTooSmall(what, "make room there and run it again: it goes on")
    return Failure(Exit.FAILED, f"{folder} cannot be written: {error.strerror or error}")
