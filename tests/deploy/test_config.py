import contextlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy.config import (
    MORE_MAY_FOLLOW,
    POCKET,
    Cluster,
    ConfigError,
    load,
    schema,
)
from deploy.groups import NetworkSpec
from serving.addresses import is_loopback
from serving.values import ModelName

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = "gpus: {cpu: {kind: cpu}}\nmodels: {pocket-dense: {on: cpu}}\n"


def loaded(tmp_path: Path, text: str) -> Cluster:
    (path := tmp_path / "b.yaml").write_text(text)
    return load(path)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    return str(error.value).replace(f"{tmp_path}/", "")


def test_the_default_is_the_pocket_cluster_and_the_example_is_the_same_text():
    assert list(load().models) == ["pocket-dense", "pocket-moe"]
    assert POCKET.read_text() == (EXAMPLES / "pocket.yaml").read_text()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid_by_the_check_and_by_the_schema(path):
    load(path)
    jsonschema.validate(yaml.load(path.read_text(), yaml.BaseLoader), _stringly(schema()))


def _stringly(node: Any) -> Any:
    """PyYAML reads `on` as true, so the files are read as strings, and numbers checked as such."""
    if isinstance(node, dict):
        return {
            key: "string" if key == "type" and value in ("integer", "number", "boolean")
            else _stringly(value)
            for key, value in node.items()
            if key not in ("minimum", "maximum", "default")
        }  # fmt: skip
    return [_stringly(item) for item in node] if isinstance(node, list) else node


def test_the_schema_is_camel_case_and_closed_but_for_maps_of_free_names():
    text = schema()
    jsonschema.Draft202012Validator.check_schema(text)
    open_maps = set()
    for name, section in {"Cluster": text, **text["$defs"]}.items():
        if section.get("type") != "object":
            continue
        assert section["additionalProperties"] is False, name
        for key, value in section["properties"].items():
            assert "_" not in key, key
            assert "description" in value or "$ref" in value, f"{name}.{key} says nothing"
            if value.get("additionalProperties"):
                open_maps.add(key)
    assert open_maps == {"engine", "env", "labels", "models", "gpus", "nccl", "nodeSelector"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, replicas: a"),
            "b.yaml:2: models.pocket-dense.replicas: found 'a'; "
            "allowed: a whole number >= 1, or {min, max}",
            id="wrong value",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, replicas: {mn: 1}"),
            "b.yaml:2: models.pocket-dense.replicas.mn: unknown key; did you mean min? "
            "allowed: min, max",
            id="inside a union",
        ),
        pytest.param(
            GOOD.replace("kind: cpu", "kind: H100"),
            "b.yaml:1: gpus.cpu.kind: found 'H100'; allowed: cpu, l4-24g,",
            id="no kind of GPU",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, replicas: {min: 3, max: 2}"),
            "b.yaml:2: models.pocket-dense.replicas: min is 3 and max is 2; "
            "min must not be above max",
            id="bounds the wrong way round",
        ),
        pytest.param(
            GOOD + "longstAnswer: 1h\n",
            "b.yaml:3: longstAnswer: unknown key; did you mean longestAnswer? "
            "allowed: models, weights, router, gateway, slo, tracing, longestAnswer, "
            "gpus",
            id="unknown key",
        ),
        pytest.param(
            "gpus: {cpu: {kind: cpu}}\nmodels: {mine: {on: cpu, like: qwen3-8b, source: Qwen3}}\n",
            "b.yaml:2: models.mine.source: found 'Qwen3'; a source is org/name, hf://",
            id="a source that is none",
        ),
        pytest.param(
            "gpus: {cpu: {kind: cpu}}\nmodels:\n  qwen3-8b:\n    on: cpu\n    revision: a..b\n",
            "b.yaml:5: models.qwen3-8b.revision: found 'a..b'; allowed: a branch",
            id="a revision that is none",
        ),
        pytest.param(
            GOOD + "weights: {address: hub.example}\n",
            "b.yaml:3: weights.address: found 'hub.example'; allowed: text like ^https?://",
            id="an address that is none",
        ),
        pytest.param(
            GOOD + "tracing: {endpoint: 'collector:4317'}\n",
            "b.yaml:3: tracing.endpoint: found 'collector:4317'; allowed: text like ^http://",
            id="a collector without a scheme",
        ),
        pytest.param(
            GOOD + "tracing: {endpoint: 'http://c:4317', sample: 0}\n",
            "b.yaml:3: tracing.sample: found 0; allowed: a number > 0 and <= 1",
            id="no trace at all",
        ),
        pytest.param(
            GOOD + "tracing: {endpoint: 'http://c:4317', sampel: 1}\n",
            "b.yaml:3: tracing.sampel: unknown key; did you mean sample? allowed: endpoint, sample",
            id="a key of tracing that is none",
        ),
        pytest.param(
            GOOD + "tracing: {sample: 1}\n",
            "b.yaml:3: tracing.endpoint: missing; allowed: text like",
            id="traces for nobody",
        ),
        pytest.param(
            GOOD + "zzz: 1\n", "b.yaml:3: zzz: unknown key; allowed: models,", id="far from any key"
        ),
        pytest.param(
            GOOD + "longestAnswer: 5\n",
            "b.yaml:3: longestAnswer: found 5; allowed: a number with a unit",
            id="duration without a unit",
        ),
        pytest.param(
            GOOD + "gateway:\n  port: 'x'\n",
            "b.yaml:4: gateway.port: found 'x'; allowed: a whole number >= 0 and <= 65535",
            id="deeper",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "source: x"),
            "b.yaml:2: models.pocket-dense.on: missing; allowed: text",
            id="missing",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: gpu"),
            "b.yaml:2: models.pocket-dense.on: found 'gpu'; allowed: cpu",
            id="no such gpus",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, tensorParallelSize: 2"),
            "b.yaml:2: models.pocket-dense: tensorParallelSize is now layout.tensor; "
            "write layout: {tensor: 2}",
            id="a key of old",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, layout: {tensr: 2}"),
            "b.yaml:2: models.pocket-dense.layout.tensr: unknown key; did you mean tensor? "
            "allowed: tensor, pipeline, data, expert",
            id="inside a layout",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, layout: {tensor: 2, pipeline: 2}"),
            "b.yaml:2: models.pocket-dense.layout: tensor 2 x pipeline 2 x data 1 = 4 ranks for "
            "one replica; allowed: at most 1, as gpus.cpu has 1 x 1",
            id="more ranks than there is room for",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, layout: {expert: true}"),
            "b.yaml:2: models.pocket-dense.layout.expert: found true, but pocket-dense has no exp",
            id="experts of a dense model",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, layout: {data: 2}"),
            "models.pocket-dense.layout.data: found 2, but pocket-dense has no experts that its "
            "engines could share; allowed: 1",
            id="data-parallel attention of a dense model",
        ),
        pytest.param(
            GOOD.replace("kind: cpu", "kind: cpu, network: {nccl: {LD_PRELOAD: x}}"),
            "b.yaml:1: gpus.cpu.network: nccl sets LD_PRELOAD; allowed: NCCL_...",
            id="not NCCL's",
        ),
        pytest.param(
            GOOD.replace("pocket-dense", "mine"),
            "b.yaml:2: models.mine: mine is not in the catalog; allowed: qwen3-0.6b,",
            id="not in the catalog",
        ),
        pytest.param(
            GOOD.replace("pocket-dense", "pocket-dens"),
            "models.pocket-dens: pocket-dens is not in the catalog; did you mean pocket-dense? "
            "allowed: qwen3-0.6b,",
            id="nearly in the catalog",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, like: llama"),
            "b.yaml:2: models.pocket-dense.like: llama is not in the catalog",
            id="like nothing",
        ),
        pytest.param(
            GOOD.replace("pocket-dense: {on: cpu", "mine: {on: cpu, like: qwen3-8b"),
            "b.yaml:2: models.mine: like says that it is a kind of qwen3-8b, and there is no "
            "source, so qwen3-8b itself would answer by another name. Write the source of its "
            "weights (to serve those of qwen3-8b: source: Qwen/Qwen3-8B), or call it qwen3-8b",
            id="another name for the same weights",
        ),
        pytest.param(
            GOOD.replace("pocket-dense", "auto"),
            "models.auto: not a name for a model",
            id="virtual",
        ),
        pytest.param(
            GOOD.replace("pocket-dense", "A_b"), "models.A_b: not a name for a model", id="odd name"
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, engine: {model: x}"),
            "b.yaml:2: models.pocket-dense: engine sets model, which Bifocal derives",
            id="ours to set",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, engine: {max_num_seqs: 8k}"),
            "engine.max_num_seqs: found '8k'; allowed: a whole number from 1 on",
            id="no count",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, engine: {max_num_seq: 8}"),
            "b.yaml:2: models.pocket-dense: engine.max_num_seq: vLLM 0.29 has no such argument; "
            "did you mean max_num_seqs?",
            id="no argument of the engine",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, context: 8192"),
            "b.yaml:2: models.pocket-dense.context: found 8192, and pocket-dense has 4096; "
            "allowed on cpu: at most 4096",
            id="beyond the checkpoint",
        ),
        pytest.param(
            GOOD + "gateway: {host: 0.0.0.0}\n",
            "b.yaml:3: gateway.host: found '0.0.0.0', which others can reach, and there is no "
            "gateway.keys; allowed: 127.0.0.1, or a file of keys",
            id="open to others without keys",
        ),
        pytest.param(
            GOOD + "router: {fast: qwen3-8b}\n",
            "b.yaml:3: router.fast names qwen3-8b, which is not among models (pocket-dense)",
            id="router names nobody",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, instead: qwen3-8b"),
            "b.yaml:2: models.pocket-dense.instead: found 'qwen3-8b'; allowed: none, it is alone",
            id="instead of it, nobody",
        ),
        pytest.param(
            GOOD.replace("on: cpu}", "on: cpu, instead: pocket-dense}, pocket-moe: {on: cpu}"),
            "b.yaml:2: models.pocket-dense.instead: found 'pocket-dense'; allowed: pocket-moe",
            id="instead of itself, itself",
        ),
        pytest.param(
            GOOD.replace(
                "pocket-dense: {on: cpu}",
                "qwen3-4b-thinking-2507: {on: cpu, instead: qwen3-4b-instruct-2507}, "
                "qwen3-4b-instruct-2507: {on: cpu}",
            ),
            "b.yaml:2: models.qwen3-4b-thinking-2507.instead: found 'qwen3-4b-instruct-2507', "
            "which has only plain, and qwen3-4b-thinking-2507 only thinking",
            id="instead of one that thinks, one that cannot",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, holdFor: 1h"),
            "b.yaml:2: models.pocket-dense.holdFor: found 3600s; allowed: less than longestAnswer",
            id="a wait as long as the longest answer",
        ),
        pytest.param(
            GOOD.replace("on: cpu", "on: cpu, holdFor: 9"),
            "b.yaml:2: models.pocket-dense.holdFor: found 9; allowed: a number with a unit",
            id="a wait without a unit",
        ),
        pytest.param(
            GOOD + "longestAnswer: 10m\n",
            "longestAnswer (600 s); allowed is at most 11990",
            id="the cap does not fit in the time",
        ),
        pytest.param(
            GOOD.replace("cpu:", "Big_1:", 1).replace("on: cpu", "on: Big_1"),
            "b.yaml:1: gpus.Big_1: not a name for a group; allowed: a-z, 0-9 and -, from a letter",
            id="no name for a group",
        ),
        pytest.param(
            GOOD.replace("on: cpu", '"true": cqu'),
            "b.yaml:2: models.pocket-dense.on: found 'cqu'; allowed: cpu",
            id="on, as YAML 1.1 writes it",
        ),
        pytest.param(
            GOOD.replace("on: cpu", '"true": cpu, on: cpu'),
            "b.yaml:2: models.pocket-dense.true: unknown key",
            id="on twice",
        ),
        pytest.param(
            "gpus: {l: {kind: l40s-48g}}\nmodels:\n  qwen3-235b-a22b: {on: l}\n",
            "b.yaml:3: models.qwen3-235b-a22b: ",
            id="what does not fit",
        ),
        pytest.param(
            "gpus: {amd: {kind: mi300x-192g}}\nmodels:\n  qwen3-235b-a22b: {on: amd}\n",
            "b.yaml:3: models.qwen3-235b-a22b.layout: one GPU, as none is written",
            id="a layout that is not written",
        ),
        pytest.param("[1]", "b.yaml: not a map; it starts with `gpus:`", id="not a map"),
        pytest.param("", "b.yaml: not a map", id="empty"),
        pytest.param("a: [", "b.yaml:1: ", id="not YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_place_value_and_remedy(tmp_path, text, said):
    assert said in refused(tmp_path, text)


@pytest.mark.parametrize("key", ['"true"', "true", "on"])
def test_the_group_of_a_model_may_stand_where_yaml_1_1_puts_it(tmp_path, key):
    """`helm get values` writes it so."""
    assert (
        loaded(tmp_path, GOOD.replace("on: cpu", f"{key}: cpu")).models["pocket-dense"].on == "cpu"
    )


def test_every_problem_is_told_at_once(tmp_path):
    text = GOOD.replace("kind: cpu", "kind: 7, nodes: 0") + "gateway: {port: x, zzz: 1}\n"
    *found, more = refused(tmp_path, text).splitlines()
    assert len(found) == 4
    assert more == f"b.yaml: {MORE_MAY_FOLLOW}"


def test_all_that_does_not_fit_together_is_told_at_once(tmp_path):
    text = (
        "gpus: {cpu: {kind: cpu}}\n"
        "models:\n  pocket-dense: {on: cpuu}\n  mine: {on: cpu, like: qwen3-8}\n"
        "router: {fast: nope, deep: nope}\n"
        "gateway: {host: 0.0.0.0}\n"
        "longestAnswer: 10m\n"
    )
    lines = refused(tmp_path, text).splitlines()
    assert [line.split(":")[1] for line in lines[:2]] == ["5", "5"]
    for said in ("router.fast", "router.deep", "outputTokens.thinking", "'cpuu'", "qwen3-8 is",
                 "gateway.host"):  # fmt: skip
        assert any(said in line for line in lines), said
    assert MORE_MAY_FOLLOW not in lines[-1]


def test_all_that_does_not_fit_in_one_model_is_told_at_once(tmp_path):
    model = "on: cpu, targetsToken: t, engine: {model: x, max_num_seqs: 0}"
    found = refused(tmp_path, GOOD.replace("on: cpu", model)).splitlines()
    assert len([line for line in found if "b.yaml:2: models.pocket-dense: " in line]) == 3


def test_of_a_thousand_problems_twenty_are_told(tmp_path):
    text = GOOD + "".join(f"k{i}: 1\n" for i in range(1000))
    lines = refused(tmp_path, text).splitlines()
    assert len(lines) == 22
    assert lines[-2] == "b.yaml: and 980 more"


def test_a_long_value_is_not_repeated_in_full(tmp_path):
    assert len(refused(tmp_path, GOOD + f"longestAnswer: {'x' * 10_000}\n")) < 300


def test_two_models_may_stand_in_for_each_other(tmp_path):
    """It is followed once and no further, so no request goes in a circle."""
    both = "on: cpu, instead: pocket-moe, holdFor: 0s}, pocket-moe: {on: cpu, instead: pocket-dense"
    cluster = loaded(tmp_path, GOOD.replace("on: cpu", both))
    assert [model.hold_for for model in cluster.models.values()] == [0, 0]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_a_cluster_written_down_again_is_the_same(tmp_path, path):
    cluster = load(path)
    text = yaml.safe_dump(cluster.model_dump(mode="json", by_alias=True, exclude_unset=True))
    assert loaded(tmp_path, text) == cluster


def test_file_names_are_relative_to_the_cluster_file(tmp_path):
    pool = "on: cpu, source: ./m, targets: [http://a], targetsToken: t"
    text = GOOD.replace("on: cpu", pool) + "gateway: {keys: k/keys.yaml}\nweights: {folder: w}\n"
    cluster = loaded(tmp_path, text)
    assert cluster.gateway.keys == str(tmp_path / "k" / "keys.yaml")
    assert cluster.weights.folder == str(tmp_path / "w")
    model = cluster.models[ModelName("pocket-dense")]
    assert (model.source, model.targets_token) == (str(tmp_path / "m"), str(tmp_path / "t"))


def test_a_token_without_targets_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="targetsToken is set and targets is not"):
        loaded(tmp_path, GOOD.replace("on: cpu", "on: cpu, targetsToken: t"))


@pytest.mark.parametrize(
    ("model", "hf_id", "context"),
    [
        ("qwen3-8b: {on: cpu}", "Qwen/Qwen3-8B", 40_960),
        ("qwen3-8b: {on: cpu, source: Qwen/Qwen3-8B-FP8}", "Qwen/Qwen3-8B-FP8", 40_960),
        ("qwen3-8b: {on: cpu, source: /models/8b, context: 8192}", "Qwen/Qwen3-8B", 8192),
        ("law: {on: cpu, like: qwen3-8b, source: firm/law-8b}", "firm/law-8b", 40_960),
        ("law: {on: cpu, like: qwen3-8b, source: /models/law}", "law", 40_960),
        ("law: {on: cpu, like: qwen3-8b, source: 's3://firm/law'}", "law", 40_960),
        ("law: {on: cpu, like: qwen3-8b, targets: ['http://a:1']}", "Qwen/Qwen3-8B", 40_960),
        ("b: {on: cpu, like: qwen3-8b, source: Qwen/Qwen3-8B}", "Qwen/Qwen3-8B", 40_960),
    ],
)
def test_a_pool_answers_to_the_id_of_what_it_serves(tmp_path, model, hf_id, context):
    cluster = loaded(tmp_path, f"gpus: {{cpu: {{kind: cpu}}}}\nmodels: {{{model}}}\n")
    [(name, facts)] = cluster.served.items()
    assert (facts.name, facts.hf_id, facts.context) == (name, hf_id, context)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(["gpus", "models", "router", "gateway", "slo", "longestAnswer", "x"])


@pytest.fixture(scope="module")
def any_path(tmp_path_factory):
    return tmp_path_factory.mktemp("any") / "b.yaml"


@given(
    data=st.dictionaries(
        KEYS, VALUES | st.dictionaries(st.sampled_from(["cpu", "qwen3-8b"]), VALUES)
    )
)
def test_any_data_is_a_cluster_or_a_list_of_problems(any_path, data):
    any_path.write_text(yaml.safe_dump(data))
    with contextlib.suppress(ConfigError):
        load(any_path)


def test_the_network_of_a_group_becomes_what_gloo_and_nccl_read() -> None:
    network = {"interface": "eth1", "rdma": ["mlx5_0", "mlx5_1"], "nccl": {"NCCL_DEBUG": "INFO"}}
    assert NetworkSpec.model_validate(network).environment == {
        "GLOO_SOCKET_IFNAME": "eth1",
        "NCCL_SOCKET_IFNAME": "=eth1",
        "NCCL_IB_HCA": "=mlx5_0,mlx5_1",
        "NCCL_DEBUG": "INFO",
    }
    assert NetworkSpec().environment == {}
