import pytest

from serving.layout import Precision, Sizes
from serving.layout.memory import kv_bytes_of_a_token
from serving.layout.weights import element_bytes, parameters_of, quantised_bytes
from tests.serving.layout.asked import demand, facts

CARDS = [
    # The model cards' "Number of Parameters", "(Non-Embedding)", and layers x KV heads x 128.
    ("qwen3-0.6b", "0.6", "0.44", 112),
    ("qwen3-1.7b", "1.7", "1.4", 112),
    ("qwen3-4b", "4.0", "3.6", 144),
    ("qwen3-8b", "8.2", "6.95", 144),
    ("qwen3-14b", "14.8", "13.2", 160),
    ("qwen3-32b", "32.8", "31.2", 256),
    ("qwen3-30b-a3b", "30.5", "29.9", 96),
    ("qwen3-235b-a22b", "235", "234", 188),
]


def rounded_as(printed: str, billions: float) -> str:
    return f"{billions:.{len(printed.partition('.')[2])}f}"


@pytest.mark.parametrize(("name", "total", "_", "__"), CARDS, ids=[row[0] for row in CARDS])
def test_one_rank_holds_what_the_card_prints(name, total, _, __):
    counted = parameters_of(facts(name), Sizes(), stage=0)
    assert counted.linear + counted.kept + counted.expert == facts(name).parameters
    assert rounded_as(total, facts(name).parameters / 1e9) == total


@pytest.mark.parametrize(("name", "_", "inner", "__"), CARDS, ids=[row[0] for row in CARDS])
def test_without_the_embeddings_it_is_what_the_card_prints(name, _, inner, __):
    model = facts(name)
    tables = model.vocabulary * model.hidden * (1 if model.tied_embeddings else 2)
    assert rounded_as(inner, (model.parameters - tables) / 1e9) == inner


@pytest.mark.parametrize(("name", "_", "__", "kib"), CARDS, ids=[row[0] for row in CARDS])
def test_a_token_takes_so_much_kv_cache(name, _, __, kib):
    asked = demand(name)
    assert kv_bytes_of_a_token(asked, Sizes(), asked.model.layers) == kib * 1024


@pytest.mark.parametrize(
    ("tensor", "kib"),
    [(1, 188), (2, 94), (4, 47), (8, 47), (16, 47)],
    ids=str,
)
def test_beyond_four_ranks_the_235b_holds_copies_of_its_kv_heads(tensor, kib):
    assert kv_bytes_of_a_token(demand("qwen3-235b-a22b"), Sizes(tensor=tensor), 94) == kib * 1024


def bytes_of_rank(name: str, precision: Precision, sizes: Sizes) -> int:
    counted = parameters_of(facts(name), sizes, stage=0)
    quantised = quantised_bytes(precision, counted.linear) + quantised_bytes(
        precision, counted.expert
    )
    return quantised + element_bytes(precision) * counted.kept


@pytest.mark.parametrize(
    ("name", "precision", "sizes", "seen", "within"),
    [
        # huggingface.co/Qwen/Qwen3-30B-A3B: 61,064,245,248 bytes of safetensors are 30,532,122,624
        # weights of two bytes.
        ("qwen3-30b-a3b", Precision.BF16, Sizes(), 61_064_245_248, 0),
        # conselara.dev/notes/dgx-spark-benchmarks: "Weight resident per node: 57.64 GiB", GPTQ-Int4
        # with TP=2 and EP=2.
        (
            "qwen3-235b-a22b",
            Precision.GPTQ_INT4,
            Sizes(tensor=2, expert=True),
            57.64 * 2**30,
            0.01,
        ),
    ],
    ids=["30b-bf16", "235b-gptq-int4"],
)
def test_weights_take_what_others_saw(name, precision, sizes, seen, within):
    assert abs(bytes_of_rank(name, precision, sizes) / seen - 1) <= within


@pytest.mark.parametrize(
    ("precision", "size"),
    [
        (Precision.BF16, 2 * 128 * 128),
        (Precision.FP32, 4 * 128 * 128),
        (Precision.FP8, 128 * 128 + 4),  # a float32 scale a block
        (Precision.AWQ, 128 * 128 // 2 + 128 * 5 // 2),  # 16 bits and 4 bits a group
        (Precision.GPTQ_INT4, 128 * 128 // 2 + 128 * 5 // 2),
    ],
)
def test_a_block_of_weights_has_its_scales(precision, size):
    assert quantised_bytes(precision, 128 * 128) == size


def test_a_tied_table_is_held_by_both_ends_of_a_pipeline():
    model = facts("qwen3-4b")
    table = model.vocabulary * model.hidden
    first, last = (parameters_of(model, Sizes(pipeline=2), stage).kept for stage in (0, 1))
    assert last - first == model.hidden  # the last norm
    alone = parameters_of(model, Sizes(), 0).kept
    assert first + last - alone == table


def test_the_fullest_expert_rank_counts():
    model = facts("qwen3-235b-a22b")
    sizes = Sizes(data=24, expert=True)
    of_one = 3 * model.hidden * model.ffn * model.layers
    assert parameters_of(model, sizes, 0).expert == 6 * of_one  # 128 / 24 = 5.3
