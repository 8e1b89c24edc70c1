"""What is made of a replica that does not answer, by real ports of this machine."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from serving.gateway.silence import Health
from serving.gateway.upstream import Upstream, open_session
from serving.values import Target, TargetId
from tests.serving.ports import HERE, busy, closed, silent


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with open_session({}) as found:
        yield found


async def health(session: ClientSession, port: int) -> Health:
    return await Upstream(session).health(Target(TargetId("a"), f"http://{HERE}:{port}"))


async def test_one_whose_node_accepts_and_that_says_nothing_is_mute(session: ClientSession) -> None:
    with busy() as port:
        assert await health(session, port) is Health.MUTE


async def test_one_whose_node_accepts_nothing_is_not_reached(session: ClientSession) -> None:
    with silent() as port:
        assert await health(session, port) is Health.UNREACHED


async def test_one_whose_node_refuses_is_gone(session: ClientSession) -> None:
    assert await health(session, closed()) is Health.GONE
