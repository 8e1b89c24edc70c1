"""What our code refuses Helm refuses: no value passes it that a gateway would not start with."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.chart.values import Values
from deploy.config import ConfigError, load_as
from serving.layout.gpus import KINDS
from tests.install.helm import Helm, Refused

SEAL = "0" * 64
GOOD: dict[str, Any] = {
    "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 3}, "cpu": {"kind": "cpu", "perNode": 4}},
    "models": {"qwen3-8b": {"on": "l40s"}, "qwen3-0.6b": {"on": "l40s"}},
    "gateway": {"keys": "keys.yaml"},
}


def model(**more: Any) -> dict[str, Any]:
    return {"models": {"qwen3-8b": {"on": "l40s", **more}, "qwen3-0.6b": {"on": "l40s"}}}


BAD = {
    "a source that is none": model(source="Qwen"),
    "a source of no kind": model(source="gs://bucket/model"),
    "a source with a query": model(source="https://host/model?a=b"),
    "a source that is not encrypted": model(source="http://host/model"),
    "a folder with a revision": model(source="/models/mine", revision="main"),
    "a bucket with a branch": model(source="s3://models/mine", revision="main"),
    "a revision of no repository": model(revision="ma in"),
    "a token for no targets": model(targetsToken="token"),
    "a token for none of targets": model(targetsToken="token", targets=[]),
    "an argument that vLLM has not": model(engine={"max_seqs": 1}),
    "an argument of ours": model(engine={"api_key": "x"}),
    "a count that is none": model(engine={"max_num_seqs": 0}),
    "a count that is text": model(engine={"max_num_batched_tokens": "many"}),
    "more memory than there is": model(engine={"gpu_memory_utilization": 1.2}),
    "no memory": model(engine={"gpu_memory_utilization": 0}),
    "itself instead": model(instead="qwen3-8b"),
    "nobody instead": model(instead="qwen3-4b"),
    "one of the other mode instead": {
        "models": {
            "qwen3-4b-instruct-2507": {"on": "l40s", "instead": "qwen3-4b-thinking-2507"},
            "qwen3-4b-thinking-2507": {"on": "l40s"},
        }
    },
    "a wait as long as an answer": model(holdFor="1h"),
    "no time": {**model(), "longestAnswer": "0s"},
    "no time to be stuck": model(stuckAfter="0.0s"),
    "bounds the wrong way round": model(replicas={"min": 3, "max": 1}),
    "more replicas than there is room for": model(replicas=3),
    "more replicas than it could grow to": model(replicas={"min": 1, "max": 3}),
    "an unknown model that others run": {
        "models": {"mine": {"on": "cpu", "targets": ["http://a:1"]}, "qwen3-0.6b": {"on": "l40s"}}
    },
    "another name for the same weights": {"models": {"mine": {"on": "l40s", "like": "qwen3-8b"}}},
    "a group that is none": model(on="l4"),
    "a kind without its memory": {"gpus": {**GOOD["gpus"], "l40s": {"kind": "l40s"}}},
    "a variable that is not NCCL's": {
        "gpus": {**GOOD["gpus"], "l40s": {"kind": "l40s-48g", "network": {"nccl": {"PATH": "x"}}}}
    },
    "a role for nobody": {"router": {"deep": "qwen3-4b"}},
    "answers longer than the longest": {"longestAnswer": "40m"},
    "a registry with https": {"images": {"registry": "https://registry.example.org/ai/"}},
    "a Redis without a port": {"head": {"state": {"redis": {"address": "redis://redis"}}}},
    "a Redis of no kind": {"head": {"state": {"redis": {"address": "http://redis:6379"}}}},
    "fewer gateways at most than at least": {"gateway": {"replicas": 5, "maxReplicas": 3}},
    "no port": {"network": {"weightsPorts": [0]}},
}  # fmt: skip

PLACES = ("models", "gpus", "gateway", "router", "longestAnswer", "images", "head", "network")

FINE: dict[str, dict[str, Any]] = {
    "as it is": {},
    "a registry with a port": {"images": {"registry": "registry.example.org:5000/ai/"}},
    "a mirror with a port": {"weights": {"address": "https://host:8443/models"}},
    "another port of Redis'": {"head": {"state": {"redis": {"address": "rediss://r:6380"}}}},
    "a repository": model(source="hf://me/mine@main", like="qwen3-8b"),
    "a repository's commit": model(source="me/mine", revision="a" * 40),
    "a bucket with its seal": model(source="s3://models/mine", revision=SEAL),
    "a mirror": model(source="https://host:8443/models/mine"),
    "a mirror with its seal": model(source=f"http://host/mine@{SEAL}"),
    "a folder": model(source="/models/mine"),
    "another's weights, elsewhere": {
        "models": {"mine": {"on": "l40s", "like": "qwen3-8b", "targets": ["http://a:1"]}}
    },
    "counts": model(engine={"max_num_seqs": 8, "enforce_eager": True}),
    "somebody instead": model(instead="qwen3-0.6b", holdFor="20s"),
    "two that may grow, one at a time": {
        "models": {
            name: {"on": "l40s", "replicas": {"min": 1, "max": 2}}
            for name in ("qwen3-8b", "qwen3-0.6b")
        }
    },
    "targets with a token": model(targets=["http://a:1"], targetsToken="token"),
}


def python_refuses(given: dict[str, Any], folder: Path) -> bool:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(given))
    try:
        load_as(Values, file)
    except ConfigError:
        return True
    return False


@pytest.mark.parametrize("name", BAD)
def test_what_our_code_refuses_helm_refuses(helm: Helm, tmp_path: Path, name: str) -> None:
    given = {**GOOD, **BAD[name]}
    assert python_refuses(given, tmp_path)
    with pytest.raises(Refused) as refused:
        helm.template(given)
    assert any(place in str(refused.value) for place in PLACES)


@pytest.mark.parametrize("name", FINE)
def test_what_our_code_takes_helm_takes(helm: Helm, tmp_path: Path, name: str) -> None:
    given = {**GOOD, **FINE[name]}
    assert not python_refuses(given, tmp_path)
    helm.template(given)


def test_whoever_mistypes_a_kind_is_told_which_there_are(helm: Helm) -> None:
    with pytest.raises(Refused) as refused:
        helm.template({**GOOD, "gpus": {"l40s": {"kind": "l40s"}, "cpu": {"kind": "cpu"}}})
    assert all(kind in str(refused.value) for kind in KINDS)


@pytest.mark.parametrize(
    ("given", "example"),
    [
        ({"images": {"registry": "https://registry.example.org/ai"}}, "'registry.example.org/ai'"),
        ({"head": {"state": {"redis": {"address": "redis"}}}}, "'redis://host:6379'"),
    ],
)
def test_whoever_mistypes_an_address_is_told_one_that_is_right(
    helm: Helm, given: dict[str, Any], example: str
) -> None:
    with pytest.raises(Refused) as refused:
        helm.template({**GOOD, **given})
    assert f"value must be {example}" in str(refused.value)


def test_blocks_that_do_not_stand_together_are_refused(helm: Helm, tmp_path: Path) -> None:
    """Six GPUs on two nodes, and three times two that must be on one."""
    pair = {"tensor": 2}
    models: dict[str, dict[str, Any]] = {
        "qwen3-8b": {"on": "odd", "layout": pair, "replicas": 2},
        "qwen3-4b": {"on": "odd", "layout": pair},
    }
    given = {
        "gpus": {"odd": {"kind": "l40s-48g", "perNode": 3, "nodes": 2}},
        "models": models,
        "gateway": {"keys": "k"},
    }
    layouts = {
        name: {
            "of": f"{name} bf16 l40s-48g 3x2, context 0, replicas {spec.get('replicas', 1)}, "
            "shared, data 1, expert false, pipeline 1, tensor 2",
            "layout": pair,
            "stuckAfter": 60,
        }
        for name, spec in models.items()
    }
    assert python_refuses(given, tmp_path)
    with pytest.raises(Refused, match="do not fit on 2 nodes of 3 GPUs: qwen3-4b needs 2"):
        helm.template({**given, "layouts": layouts})
