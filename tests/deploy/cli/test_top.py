"""`bifocal top` before a real gateway whose replicas are scripted."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from ops.metrics import PrometheusObserver
from serving.gateway import FixedSource
from tests.deploy.cli.conftest import Bifocal
from tests.ops.top.test_view import engine_page
from tests.serving.gateway.peers import DENSE, Peer, gateway, said, serving
from tests.serving.gateway.test_app import KEY, KEYS

BODY = {"model": DENSE, "messages": [{"role": "user", "content": "7 + 7"}]}
LINE = ("top", "--every", "0.2", "--json", "--key", KEY, "--url")


async def test_top_tells_what_pools_do_and_what_was_decided(
    bifocal: Bifocal,
) -> None:
    quick, dumb = Peer([said()], page=engine_page(7).encode()), Peer([said()], page=b"")
    async with serving(quick) as one, serving(dumb) as two:
        sources = [FixedSource({DENSE: [one, two]})]
        async with gateway(sources=sources, keys=KEYS, observer=PrometheusObserver()) as url:
            told = asyncio.create_task(asyncio.to_thread(bifocal, *LINE, url))
            async with aiohttp.ClientSession(headers={"x-api-key": KEY}) as client:
                while not told.done():
                    async with client.post(f"{url}/v1/chat/completions", json=BODY) as answer:
                        assert answer.status == 200
            done = await told
    found = json.loads(done.out)
    (pool,) = [pool for pool in found["pools"] if pool["model"] == DENSE]
    assert (pool["wanted"], pool["ready"], pool["requests_s"] > 0) == (2, 2, True)
    # The one whose page fails is left out, and told of by nobody.
    assert [(each["name"], each["running"]) for each in pool["replicas"]] == [(one, 3)]
    assert found["decisions"][0]["model"] == DENSE
    assert done.code == 0


@pytest.mark.parametrize(("name", "code"), [("top.svg", 0), ("nowhere/top.svg", 2)])
async def test_top_draws_a_picture_where_it_can(
    bifocal: Bifocal, tmp_path: Path, name: str, code: int
) -> None:
    async with serving(Peer([said()], page=engine_page(7).encode())) as one:
        sources = [FixedSource({DENSE: [one]})]
        async with gateway(sources=sources, keys=KEYS, observer=PrometheusObserver()) as url:
            file = tmp_path / name
            line = ("top", "--every", "0.2", "--svg", str(file), "--key", KEY, "--url", url)
            done = await asyncio.to_thread(bifocal, *line)
    assert done.code == code
    assert (DENSE in file.read_text()) if code == 0 else "cannot be written" in done.err


async def test_top_says_when_nobody_answers(bifocal: Bifocal) -> None:
    done = await asyncio.to_thread(bifocal, *LINE, "http://127.0.0.1:1")
    assert (done.code, "nothing answers" in done.err) == (4, True)
