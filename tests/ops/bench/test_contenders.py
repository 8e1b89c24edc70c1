"""What contenders are started with and asked."""

import json
from pathlib import Path

import pytest

from ops.bench.contenders import Engine, bare_vllm, default_ingress, flags
from ops.bench.measure import TOPICS, bodies
from ops.bench.values import ENGINE_LOADS, MOCK_LOADS, Load
from serving.config import Limits
from serving.wire import chat
from serving.wire.json import decode_object

ENGINE = Engine("tiny", "/weights", {"dtype": "bfloat16", "enforce_eager": True}, {"A": "1"})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"max_num_seqs": 8}, ["--max-num-seqs=8"], id="a value"),
        pytest.param({"enforce_eager": True}, ["--enforce-eager"], id="a switch"),
        pytest.param({"trust_remote_code": False, "seed": None}, [], id="what is off"),
        pytest.param({"seed": 0}, ["--seed=0"], id="zero is a value"),
    ],
)
def test_arguments_become_flags(arguments: dict[str, object], expected: list[str]) -> None:
    assert flags(arguments) == expected


def test_bare_vllm_and_the_default_ingress_are_given_the_same_engine(tmp_path: Path) -> None:
    bare = bare_vllm(ENGINE)
    ingress = default_ingress(ENGINE, tmp_path)
    assert {"--model=/weights", "--dtype=bfloat16", "--enforce-eager"} <= set(bare.command)
    task = json.loads(ingress.command[-1])
    assert task["arguments"] == ENGINE.arguments
    assert bare.env == ingress.env == task["environment"]
    assert bare.env == {**ENGINE.environment, "VLLM_PLUGINS": ""}  # none of ours


@pytest.mark.parametrize("load", [*ENGINE_LOADS, *MOCK_LOADS], ids=lambda load: load.name)
def test_the_gateway_takes_every_body_as_it_is(load: Load) -> None:
    limits = Limits()
    for body in bodies("tiny", load):
        parsed = chat.parse(decode_object(body.encode(), limits.json_depth), limits)
        assert parsed.stream is load.stream
        assert parsed.cap is not None
        assert parsed.cap.tokens == load.tokens
        assert parsed.enable_thinking is False


def test_prompts_are_as_many_as_topics_and_differ() -> None:
    assert len(set(bodies("tiny", MOCK_LOADS[0]))) == len(TOPICS)
