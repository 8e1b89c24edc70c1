"""Cut engines answer as a whole one does; one of them does so through Ray Serve and the gateway.

`docs/sharding.md` shows what is held here; `tests.e2e.identity` measures it.
"""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml

from tests.e2e.conftest import Service, running
from tests.e2e.identity import LAYOUTS, MAX_TOKENS, Identity, measured

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

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
    """The example, in float32 and on a free port."""

    def in_float32(folder: Path) -> Path:
        cluster = yaml.safe_load(EXAMPLE.read_text().replace("on: cpu", "'on': cpu"))
        cluster["models"]["pocket-moe"]["precision"] = "fp32"
        cluster["gateway"] = {"port": 0}
        (path := folder / "bifocal.yaml").write_text(yaml.safe_dump(cluster))
        return path

    with running(in_float32) as service:
        yield service


async def test_a_cut_pool_answers_through_the_gateway(sharded: Service, identity: Identity) -> None:
    async with openai.AsyncOpenAI(base_url=f"{sharded.url}/v1", api_key="none") as client:
        for prompt, text in zip(identity.prompts, identity.whole.text, strict=True):
            answer = await client.completions.create(
                model="pocket-moe", prompt=prompt, temperature=0, max_tokens=MAX_TOKENS
            )
            assert answer.choices[0].text == text
