"""`bifocal plan`: exit codes, the JSON's shape, what a person reads, how bad input is refused."""

import json

import pytest
import yaml

FP8_ON_A_NODE = ("--model", "qwen3-235b-a22b", "--precision", "fp8", "--gpu", "h100-80g")
CONFIG = {
    "model_type": "qwen3_moe",
    "num_hidden_layers": 48,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "norm_topk_prob": True,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("layout", "code", "told"),
    [
        pytest.param("2x2x4", 0, "1 replica with TP 2, PP 2, DP 4, EP 8", id="one that can run"),
        pytest.param("1x1x1", 3, "220.2 GiB of weights", id="one that cannot"),
        pytest.param("64x1x1", 3, "64", id="one that is larger than the nodes"),
        pytest.param("2x2", 2, "allowed: tensor x pipeline x data, 2x2x4", id="two sizes"),
        pytest.param("2x2x0", 2, "--layout: found '2x2x0'", id="no rank"),
    ],
)
def test_one_layout_is_shown_alone_or_refused_with_the_arithmetic(bifocal, layout, code, told):
    done = bifocal("plan", *FP8_ON_A_NODE, "--nodes", "2", "--layout", layout)
    assert done.code == code
    assert told in " ".join((done.out + done.err).split())
    if code == 0:
        scripted = bifocal("plan", *FP8_ON_A_NODE, "--nodes", "2", "--layout", layout, "--json")
        assert len(json.loads(scripted.out)["layouts"]) == 1


def test_a_plan_for_scripts_is_one_object_with_the_layouts_best_first(bifocal):
    done = bifocal("plan", *FP8_ON_A_NODE, "--nodes", "1", "--gpus-per-node", "8", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["feasible"] is True
    assert found["why"]
    assert found["warnings"] == []
    for layout in found["layouts"]:
        sizes = [layout[f"{name}_parallel_size"] for name in ("tensor", "pipeline", "data")]
        assert layout["gpus_per_replica"] == sizes[0] * sizes[1] * sizes[2]
        assert layout["gpus_per_replica"] * layout["replicas"] <= 8
        assert isinstance(layout["expert_parallel"], bool)
        assert sum(layout["memory"].values()) == layout["memory_used"] <= 80 * 2**30
        assert layout["kv_tokens"] >= layout["requests"] * found["context"] > 0
        assert layout["engine_args"]["tensor_parallel_size"] == sizes[0]
        assert layout["engine_args"]["max_model_len"] == found["context"] == 40_960
        assert layout["estimate"]["measured"] is False
        ranks = [rank for node in layout["placement"] for rank in node]
        assert len(ranks) == layout["gpus_per_replica"] * layout["replicas"]


def test_context_and_concurrency_reach_the_planner(bifocal):
    asked = ("--context", "32768", "--concurrency", "16")
    found = json.loads(bifocal("plan", *FP8_ON_A_NODE, *asked, "--json").out)
    assert (found["context"], found["concurrency"]) == (32_768, 16)
    assert found["layouts"][0]["engine_args"]["max_model_len"] == 32_768
    assert found["holds_concurrency"] is True
    assert found["layouts"][0]["held"] >= 16


def test_what_no_layout_holds_stays_feasible_and_says_what_would(bifocal):
    asked = (*FP8_ON_A_NODE, "--concurrency", "500")
    done = bifocal("plan", *asked, "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert (found["feasible"], found["holds_concurrency"]) == (True, False)
    assert "no layout holds the 500 requests" in found["warnings"][0]
    assert found["nearest"]
    said = " ".join(bifocal("plan", *asked).out.split())
    assert f"what holds them all: {found['nearest']}" in said
    assert "Ranked by whether 500 requests of the full context are held, then predicted" in said


def test_the_load_reaches_the_planner_and_the_ranking_says_what_it_is_by(bifocal):
    asked = ("--prompt", "8192", "--answer", "512", "--tpot", "20")
    found = json.loads(bifocal("plan", *FP8_ON_A_NODE, *asked, "--json").out)
    assert found["load"] == {"prompt": 8192, "answer": 512, "tpot_s": 0.02}
    assert "8,192 tokens of prompt and 512 of answer" in found["ranked_by"]
    assert found["layouts"][0]["estimate"]["decode_s"] <= 0.02
    latencies = [layout["estimate"]["latency_s"] for layout in found["layouts"]]
    assert latencies[found["quickest"]] == min(latencies)


def test_what_does_not_fit_is_3_with_the_arithmetic_and_the_nearest(bifocal):
    done = bifocal("plan", "--model", "qwen3-235b-a22b", "--gpu", "l4-24g", "--json")
    found = json.loads(done.out)
    assert done.code == 3
    assert (found["feasible"], found["layouts"]) == (False, [])
    assert "GiB" in found["why"]
    assert found["nearest"]


def test_a_person_reads_layouts_memory_picture_and_that_speeds_are_predicted(bifocal):
    done = bifocal("plan", *FP8_ON_A_NODE)
    assert done.code == 0
    for words in (
        "feasible: 8 x h100-80g hold qwen3-235b-a22b in fp8",
        "KV tokens",
        "Ranked by predicted tokens/s of all GPUs at 2,048 tokens of prompt",
        "* predicted, not measured",
        "Instead, for the shortest answer to one request alone: ",
        "weights, experts",
        "███",
        "node 0: 8 x h100-80g",
        "layers 0-93",
        "NVIDIA H100 datasheet",
    ):
        assert words in done.out


def test_a_person_reads_why_not(bifocal):
    done = bifocal("plan", "--model", "qwen3-235b-a22b", "--gpu", "l4-24g")
    assert done.code == 3
    assert done.out.startswith("not feasible: ")
    assert "nearest: " in done.out
    assert "node 0" not in done.out


@pytest.mark.parametrize("name", ["Qwen/Qwen3-30B-A3B", "QWEN3-30B-A3B"])
def test_a_model_is_named_as_in_the_catalog_or_on_the_hub(bifocal, name):
    found = json.loads(bifocal("plan", "--model", name, "--gpu", "h100-80g", "--json").out)
    assert found["model"] == "qwen3-30b-a3b"


def test_a_config_json_gives_the_plan_of_the_catalog_model_that_it_is_of(bifocal, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    own = json.loads(bifocal("plan", "--config-json", str(file), "--gpu", "h100-80g", "--json").out)
    known = json.loads(
        bifocal("plan", "--model", "qwen3-30b-a3b", "--gpu", "h100-80g", "--json").out
    )
    assert own["model"] == tmp_path.name
    assert own["layouts"] == known["layouts"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ("--model", "qwen3-32b", "--gpu", "h100"),
            "--gpu: GPU kind: found 'h100'; allowed: l4-24g, l40s-48g",
            id="unknown GPU",
        ),
        pytest.param(
            ("--model", "gpt", "--gpu", "l4-24g"),
            "--model: found 'gpt'; allowed: qwen3-0.6b",
            id="unknown model",
        ),
        pytest.param(("--gpu", "l4-24g"), "--model is missing", id="no model"),
        pytest.param(
            ("--gpu", "l4-24g", "--config-json", "none.json"),
            "none.json: cannot be read: No such file",
            id="no file",
        ),
        pytest.param(
            ("--model", "qwen3-32b", "--gpu", "l4-24g", "--precision", "int3"),
            "'int3' is not one of",
            id="unknown precision",
        ),
        pytest.param(
            ("--model", "qwen3-32b", "--gpu", "l4-24g", "--nodes", "0"),
            "'--nodes': Input should be greater",
            id="no nodes",
        ),
        pytest.param(("--model", "qwen3-32b"), "Missing option '--gpu'", id="no GPU"),
    ],
)
def test_bad_input_is_2_and_says_what_is_allowed(bifocal, arguments, said):
    done = bifocal("plan", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(b'{"model_type": ', "config.json: line 1, column 16: ", id="not JSON"),
        pytest.param(b"\xff\xfe", "config.json: not JSON in UTF-8", id="not UTF-8"),
        pytest.param(b"[1]", "config.json: found a list", id="not an object"),
        pytest.param(b" " * (1 << 20) + b"{}", "more than 1,048,576 bytes", id="too large"),
        pytest.param(b"[" * 100_000, "config.json: ", id="too deep"),
        pytest.param(b'{"model_type": "llama"}', "model_type is 'llama'", id="another family"),
        pytest.param(
            json.dumps({**CONFIG, "num_hidden_layers": -1}).encode(),
            "num_hidden_layers is -1",
            id="a wrong number",
        ),
    ],
)
def test_a_wrong_config_json_is_2_and_names_the_place(bifocal, tmp_path, text, said):
    file = tmp_path / "config.json"
    file.write_bytes(text)
    done = bifocal("plan", "--gpu", "l4-24g", "--config-json", str(file))
    assert done.code == 2
    assert str(file) in done.err
    assert said in done.err
    assert "Traceback" not in done.err


VALUES = """
gpus: {l40s: {kind: l40s-48g, perNode: 1, nodes: 7}, h100x8: {kind: h100-80g, perNode: 8}}
models:
  qwen3-8b: {on: l40s, replicas: 7}
  qwen3-235b-a22b: {on: h100x8, precision: fp8}
gateway: {replicas: 3}
"""


def test_of_a_charts_values_what_its_table_lacks_is_printed_as_values(bifocal, tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text(VALUES)
    done = bifocal("plan", "--values", str(file))
    assert done.code == 0
    (name, cut), *others = yaml.safe_load(done.out)["layouts"].items()
    assert (name, others) == ("qwen3-8b", []), "eight H100 are in the table"
    assert cut["of"] == "qwen3-8b bf16 l40s-48g 1x7, context 0, replicas 7, alone"
    assert cut["layout"] == {"tensor": 1, "pipeline": 1, "data": 1, "expert": False}
    assert cut["engine"]["max_num_seqs"] > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("gateway: {replica: 3}", "gateway.replica: unknown key", id="a wrong key"),
        pytest.param(
            VALUES.replace("replicas: 7", "replicas: 8"),
            "models.qwen3-8b.replicas: found 8; l40s holds at most 7",
            id="more than there are",
        ),
    ],
)
def test_values_that_cannot_be_are_2_with_the_place(bifocal, tmp_path, text, said):
    file = tmp_path / "values.yaml"
    file.write_text(text)
    done = bifocal("plan", "--values", str(file))
    assert done.code == 2
    assert said in done.err
