"""The chart writes for Ray Serve what our own code writes of the same file.

The templates lay the user's words over a table; what `serving.pools.serve_config` makes of them in
Python is what a laptop runs. If the two differ, one of them is wrong.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.chart import planned, table
from deploy.chart.cuts import CACHE, POCKET
from deploy.chart.values import Values
from deploy.config import load
from deploy.local.pools import BUILDER, pools_of
from deploy.pocket import folder
from deploy.reading import read_document
from deploy.replacing import surging
from serving.pools.engine import Pool
from serving.pools.serve_config import Proxy, serve_config
from serving.values import ModelName
from tests.install.helm import CHART, PROFILES, Helm, Manifest, of_kind

H100 = {"kind": "h100-80g", "perNode": 8}
GIANT = {"on": "big", "precision": "fp8"}

FILES: dict[str, Manifest] = {
    "a context of its own": {
        "gpus": {"big": H100},
        "models": {"qwen3-235b-a22b": GIANT | {"context": 131_072}},
    },
    "a layout of its own": {
        "gpus": {"big": H100},
        "models": {"qwen3-235b-a22b": GIANT | {"layout": {"tensor": 4, "pipeline": 2}}},
    },
    "data-parallel engines that are scaled": {
        "gpus": {"big": H100 | {"nodes": 4}},
        "models": {"qwen3-235b-a22b": GIANT | {"replicas": {"min": 2, "max": 4}}},
    },
    "a small one that has room to grow": {
        "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 3}},
        "models": {"qwen3-8b": {"on": "l40s", "replicas": {"min": 1, "max": 2}}},
    },
    "small ones that grow one at a time": {
        "gpus": {"l40s": {"kind": "l40s-48g", "nodes": 3}},
        "models": {
            "qwen3-8b": {"on": "l40s", "replicas": {"min": 1, "max": 2}},
            "qwen3-4b": {"on": "l40s", "replicas": {"max": 2}},
        },
    },
    "arguments and variables of its own": {
        "gpus": {"big": H100},
        "models": {
            "qwen3-8b": {
                "on": "big",
                "engine": {"max_num_seqs": 32, "enforce_eager": False, "cpu_offload_gb": 0},
                "env": {"VLLM_LOGGING_LEVEL": "DEBUG", "HF_HUB_OFFLINE": "0"},
                "stuckAfter": "1.5m",
            }
        },
        "longestAnswer": "1.5h",
    },
    "larger steps": {
        "gpus": {"big": H100},
        "models": {"qwen3-8b": {"on": "big", "engine": {"max_num_batched_tokens": 32_768}}},
    },
    "a part of the memory": {
        "gpus": {"big": H100},
        "models": {"qwen3-8b": {"on": "big", "engine": {"gpu_memory_utilization": 0.45}}},
    },
    "a network and labels": {
        "gpus": {
            "big": H100
            | {
                "nodes": 2,
                "labels": {"zone": "b"},
                "network": {
                    "interface": "eth0",
                    "rdma": ["mlx5_0", "mlx5_1"],
                    "nccl": {"NCCL_IB_GID_INDEX": "3"},
                },
            }
        },
        "models": {"qwen3-235b-a22b": {"on": "big"}},
    },
    "GPUs of which the memory alone is known": {
        "gpus": {"amd": {"kind": "mi300x-192g", "perNode": 8}},
        "models": {"qwen3-8b": {"on": "amd", "layout": {"tensor": 2}}},
    },
    "a mirror, a revision, a fine-tune": {
        "gpus": {"big": H100},
        "models": {
            "qwen3-8b": {"on": "big", "revision": "v1"},
            "ours": {"on": "big", "like": "qwen3-4b", "source": "s3://models/ours"},
            "theirs": {"on": "big", "like": "qwen3-4b", "source": "hf://they/theirs@dev"},
            "here": {"on": "big", "like": "qwen3-4b", "source": "/models/here"},
        },
        "weights": {
            "hub": "ms",
            "address": "https://hub.example.org",
            "folder": "/weights",
            "offline": True,
        },
    },
    "what runs elsewhere": {
        "gpus": {"big": H100},
        "models": {
            "qwen3-8b": {"on": "big"},
            "qwen3-0.6b": {"on": "big", "targets": ["http://elsewhere:8000"]},
        },
    },
    "room for one more": {
        "gpus": {"big": H100 | {"nodes": 3}},
        "models": {
            "qwen3-8b": {"on": "big", "layout": {"tensor": 4}},
            "qwen3-4b": {"on": "big", "replicas": {"min": 1, "max": 3}, "layout": {"tensor": 2}},
            "qwen3-0.6b": {"on": "big", "replicas": 2, "layout": {"tensor": 1}},
        },
    },
    "room for a small one only": {
        "gpus": {"big": H100 | {"nodes": 2}},
        "models": {
            "qwen3-8b": {"on": "big", "layout": {"tensor": 8}},
            "qwen3-4b": {"on": "big", "layout": {"tensor": 1}},
        },
    },
    "room that is kept": {
        "gpus": {"big": H100 | {"nodes": 2, "upgrade": {"strategy": "blueGreen"}}},
        "models": {"qwen3-8b": {"on": "big", "layout": {"tensor": 8}}},
    },
    "traces": {
        "gpus": {"big": H100},
        "models": {
            "qwen3-8b": {"on": "big"},
            "qwen3-0.6b": {"on": "big", "env": {"OTEL_TRACES_SAMPLER": "always_on"}},
        },
        "tracing": {"endpoint": "http://collector.monitoring:4317"},
    },
    "ranks on a CPU": {
        "gpus": {"cpu": {"kind": "cpu", "perNode": 2}},
        "models": {
            "pocket-dense": {"on": "cpu", "replicas": 3},
            "pocket-moe": {"on": "cpu", "layout": {"tensor": 2, "expert": True}},
        },
    },
    "ranks on CPUs of two nodes": {
        "gpus": {"cpu": {"kind": "cpu", "perNode": 1, "nodes": 2}},
        "models": {"pocket-moe": {"on": "cpu", "layout": {"pipeline": 2}}},
    },
}


def ours(values: Values, group: str) -> Any:
    pools = [pool for pool in pools_of(values) if pool.spec.on == group]
    made = serve_config(
        pools,
        proxy=Proxy("0.0.0.0", 8000, everywhere=True),
        longest_answer_s=values.longest_answer,
        cache=CACHE,
        builder=BUILDER,
        surging=_surging(values, group, pools),
    )
    pocket = str(folder("pocket-dense").parent)
    return _by_name(json.loads(json.dumps(made).replace(pocket, POCKET)))


def _surging(values: Values, group: str, pools: list[Pool]) -> frozenset[ModelName]:
    """blueGreen keeps what is free for the second cluster."""
    kept = values.gpus[group].upgrade.strategy == "blueGreen" and not values.gpus[group].is_cpu
    return frozenset() if kept else surging(pools)


def _by_name(text: Any) -> Any:
    """Helm knows no order of keys, and Serve none of applications."""
    return text | {"applications": {each["name"]: each for each in text["applications"]}}


def charts(rendered: list[Manifest]) -> dict[str, Any]:
    """By RayService."""
    return {
        found["metadata"]["name"]: _by_name(json.loads(found["spec"]["serveConfigV2"]))
        for found in of_kind(rendered, "RayService")
    }


@pytest.mark.parametrize(
    "given", [*PROFILES, *FILES.values()], ids=[*(path.stem for path in PROFILES), *FILES]
)
def test_serve_gets_what_a_laptop_would_give_it(helm: Helm, given: Path | Manifest) -> None:
    raw = read_document(given).data if isinstance(given, Path) else given
    values = Values.model_validate(raw)
    found = charts(helm.template(given, yaml.safe_load(planned.text(values))))
    assert found == {f"test-bifocal-{group}": ours(values, group) for group in values.gpus}


@pytest.mark.parametrize(
    "given", [*PROFILES, *FILES.values()], ids=[*(path.stem for path in PROFILES), *FILES]
)
def test_the_gateway_takes_its_file(helm: Helm, given: Path | Manifest, tmp_path: Path) -> None:
    """It would not start otherwise, after all else has."""
    raw = read_document(given).data if isinstance(given, Path) else given
    values = Values.model_validate(raw)
    rendered = helm.template(given, yaml.safe_load(planned.text(values)))
    configs = of_kind(rendered, "ConfigMap")
    (config,) = [each for each in configs if "bifocal.yaml" in each.get("data", {})]
    file = tmp_path / "bifocal.yaml"
    file.write_text(config["data"]["bifocal.yaml"])
    found = load(file)
    assert found.models == values.models
    assert found.longest_answer == values.longest_answer
    assert (found.gateway.host, found.gateway.port) == ("0.0.0.0", 8000)


def test_the_whole_table_is_current() -> None:
    """The unit tests look at a part of it; all of it takes the planner some seconds."""
    assert (CHART / "layouts.yaml").read_text() == table.text(), "python -m deploy.chart"
