"""Cut engines answer as a whole one does; one of them does so through Ray Serve and the gateway.

`docs/sharding.md` shows what is held here; `tests.e2e.identity` measures it.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml

from deploy import pocket
from tests.e2e.conftest import Service, running
from tests.e2e.identity import LAYOUTS, MAX_TOKENS, Identity, measured

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1500)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "sharded.yaml"
CUT = [name for name in LAYOUTS if name != "one process"]


@pytest.fixture(scope="module")
def identity() -> Identity:
    return measured()


def test_the_questions_tell_engines_apart(identity: Identity) -> None:
    assert identity.different == len(identity.prompts) >= 50
    assert sum(map(len, identity.whole.tokens)) / len(identity.prompts) > 20


@pytest.mark.parametrize("layout", CUT)
def test_in_float32_every_token_is_the_same(identity: Identity, layout: str) -> None:
    assert identity.same(identity.fp32[layout]) == len(identity.prompts)


@pytest.mark.parametrize("layout", CUT)
def test_in_bfloat16_only_rounding_is_different(identity: Identity, layout: str) -> None:
    apart, allowed = identity.apart(layout), identity.tolerance
    assert apart.rms <= allowed.rms
    assert apart.largest <= allowed.largest


@pytest.fixture(scope="module")
def sharded() -> Iterator[Service]:
    """The example's pool and, in place of its dense one, one whose attention is data-parallel."""

    def in_float32(folder: Path) -> Path:
        cluster = yaml.safe_load(EXAMPLE.read_text().replace("on: cpu", "'on': cpu"))
        example = cluster["models"]["pocket-moe"]
        by_data = {
            "on": "cpu",
            "like": "pocket-moe",
            "source": str(pocket.folder("pocket-moe")),
            "layout": {"data": 2, "expert": True},
        }
        models = {"pocket-moe": example, "moe-by-data": by_data}
        cluster["models"] = {name: {**model, "precision": "fp32"} for name, model in models.items()}
        cluster["gateway"] = {"port": 0}
        (path := folder / "bifocal.yaml").write_text(yaml.safe_dump(cluster))
        return path

    with running(in_float32) as service:
        yield service


@pytest.mark.parametrize(
    ("pool", "targets"),
    [
        pytest.param("pocket-moe", 1, id="TP=2, EP=2"),
        pytest.param("moe-by-data", 2, id="DP=2 attention, EP=2"),
    ],
)
async def test_a_cut_pool_answers_through_the_gateway(
    sharded: Service, identity: Identity, pool: str, targets: int
) -> None:
    """Each engine of a data-parallel replica is asked by itself."""
    assert len(sharded.replicas(pool)) == targets
    async with openai.AsyncOpenAI(base_url=f"{sharded.url}/v1", api_key="none") as client:

        async def answer(prompt: str) -> str:
            found = await client.completions.create(
                model=pool, prompt=prompt, temperature=0, max_tokens=MAX_TOKENS
            )
            return found.choices[0].text

        assert await asyncio.gather(*map(answer, identity.prompts)) == identity.whole.text
