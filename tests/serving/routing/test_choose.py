from dataclasses import replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalog import CATALOG, Modes
from serving.errors import UnknownModel, UnsupportedParameter
from serving.routing import EFFORTS, Depth, Family, Reason, choose, facts_of
from serving.routing.choose import RULES, WISHES
from serving.values import Mode, ModelName, RequestFacts, Route
from serving.wire.shapes import ChatFields
from serving.wire.wrong import choices

NAMES = (
    "pocket-dense",
    "pocket-moe",
    "qwen3-4b-thinking-2507",
    "qwen3-4b-instruct-2507",
)
ALL = Family.of(
    {ModelName(name): CATALOG[ModelName(name)] for name in NAMES},
    fast=ModelName("pocket-dense"),
    deep=ModelName("pocket-moe"),
)
HARD, EASY = "What is 48213 + 977 + 60551?", "What is 12 + 30?"


def decide(
    text: str = "hello", model: str | None = None, family: Family = ALL, **wishes: Any
) -> Route:
    return choose(facts_of(model, [{"role": "user", "content": text}], **wishes), family)


FAST, DEEP = ("pocket-dense", Mode.PLAIN), ("pocket-moe", Mode.THINKING)


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("hello", FAST, Reason.SIMPLE),
        ("", FAST, Reason.SIMPLE),
        ("What is the capital of France?", FAST, Reason.SIMPLE),
        ("Tell me about 1984", FAST, Reason.SIMPLE),
        (EASY, FAST, Reason.SIMPLE),
        ("7+8", FAST, Reason.SIMPLE),
        ("把12和30加起来", FAST, Reason.SIMPLE),
        (HARD, DEEP, Reason.SUM),
        ("1 + 2 + 3", DEEP, Reason.SUM),
        ("123 + 4", DEEP, Reason.SUM),
        ("12345、678和91的总和是多少？", DEEP, Reason.SUM),
        ("١٢٣٤٥ + ٦٧٨", DEEP, Reason.SUM),
        ("Сложи 12345 и 678", DEEP, Reason.SUM),
        ("write a python program", DEEP, Reason.CODE),
        ("solve x^2 = 9", DEEP, Reason.MATHEMATICS),
        ("explain step by step how rain forms", DEEP, Reason.REASONING_WORDS),
        ("word " * 500, DEEP, Reason.LONG_PROMPT),
    ],
)
def test_auto_sends_what_is_hard_to_the_deep_model_and_the_rest_to_the_fast(text, expected, reason):
    assert decide(text) == Route(*expected, reason)
    assert decide(text, model="auto") == decide(text)


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("What is the weather in Paris?", FAST, Reason.TOOLS),
        ("word " * 5000, FAST, Reason.TOOLS),
        (HARD, DEEP, Reason.SUM),
    ],
)
def test_with_tools_auto_is_fast_unless_the_question_is_hard(text, expected, reason):
    assert decide(text, tools=2) == Route(*expected, reason)


def test_a_long_conversation_is_a_long_prompt():
    turns = [{"role": "user", "content": "word " * 300}] * 12
    assert choose(facts_of("auto", turns), ALL).reason is Reason.LONG_PROMPT


@pytest.mark.parametrize(
    ("model", "expected", "reason"),
    [
        ("fast", FAST, Reason.FAST_ASKED),
        ("deep", DEEP, Reason.DEEP_ASKED),
        ("pocket-dense", ("pocket-dense", Mode.THINKING), Reason.NAMED_MODEL),
        ("bifocal/Pocket-MoE", ("pocket-moe", Mode.THINKING), Reason.NAMED_MODEL),
        (
            "qwen3-4b-instruct-2507",
            ("qwen3-4b-instruct-2507", Mode.PLAIN),
            Reason.NAMED_MODEL,
        ),
        (
            "Qwen/Qwen3-4B-Thinking-2507",
            ("qwen3-4b-thinking-2507", Mode.THINKING),
            Reason.NAMED_MODEL,
        ),
    ],
)
@pytest.mark.parametrize("text", [EASY, HARD])
def test_a_named_model_is_taken_whatever_the_text(model, expected, reason, text):
    assert decide(text, model=model) == Route(*expected, reason)


@pytest.mark.parametrize(
    ("wishes", "text", "mode", "reason"),
    [
        ({"enable_thinking": False}, "/think", Mode.PLAIN, Reason.THINKING_OFF),
        ({"enable_thinking": True}, "/no_think", Mode.PLAIN, Reason.THINKING_OFF),
        ({"enable_thinking": True}, "", Mode.THINKING, Reason.THINKING_ON),
        ({"reasoning_effort": "high"}, "/no_think", Mode.PLAIN, Reason.THINKING_OFF),
        ({"reasoning_effort": "none"}, "/think", Mode.THINKING, Reason.THINKING_ON),
        (
            {"enable_thinking": True, "reasoning_effort": "none"},
            "",
            Mode.THINKING,
            Reason.THINKING_ON,
        ),
        ({"reasoning_effort": "none"}, "", Mode.PLAIN, Reason.EFFORT),
        ({"reasoning_effort": "minimal"}, "", Mode.PLAIN, Reason.EFFORT),
        ({"reasoning_effort": "low"}, "", Mode.THINKING, Reason.EFFORT),
        ({"reasoning_effort": "medium"}, "", Mode.THINKING, Reason.EFFORT),
        ({"reasoning_effort": "high"}, "", Mode.THINKING, Reason.EFFORT),
        ({"reasoning_effort": "xhigh"}, "", Mode.THINKING, Reason.EFFORT),
        ({"reasoning_effort": "max"}, "", Mode.THINKING, Reason.EFFORT),
    ],
)
@pytest.mark.parametrize("model", ["auto", "fast", "deep", "pocket-dense", "pocket-moe"])
def test_wishes_hold_in_their_order_for_every_model(wishes, text, mode, reason, model):
    route = decide(text, model=model, **wishes)
    assert (route.mode, route.reason) == (mode, reason)


@pytest.mark.parametrize(
    ("text", "wish", "model"),
    [
        pytest.param("hello", True, "pocket-moe", id="a wish to think goes to the deep model"),
        pytest.param("hello", False, "pocket-dense", id="a wish not to think goes to the fast one"),
        pytest.param(HARD, False, "pocket-moe", id="unless it is hard: then deep, not thinking"),
    ],
)
def test_auto_with_a_wish(text, wish, model):
    route = decide(text, enable_thinking=wish)
    assert (route.model, route.mode) == (model, Mode.THINKING if wish else Mode.PLAIN)


@pytest.mark.parametrize(
    ("model", "wishes", "param", "said"),
    [
        (
            "qwen3-4b-thinking-2507",
            {"enable_thinking": False},
            "chat_template_kwargs.enable_thinking",
            "qwen3-4b-thinking-2507 has only thinking",
        ),
        (
            "qwen3-4b-instruct-2507",
            {"reasoning_effort": "high"},
            "reasoning_effort",
            "qwen3-4b-instruct-2507 has only plain",
        ),
        (
            "qwen3-4b-thinking-2507",
            {"reasoning_effort": "none"},
            "reasoning_effort",
            "has only thinking",
        ),
        ("pocket-moe", {"reasoning_effort": "huge"}, "reasoning_effort", "allowed: none, minimal"),
    ],
)
def test_a_mode_that_the_checkpoint_lacks_is_refused_with_those_it_has(model, wishes, param, said):
    with pytest.raises(UnsupportedParameter) as refused:
        decide(model=model, **wishes)
    assert refused.value.param == param
    assert said in refused.value.message


def test_minimal_effort_is_plain_where_it_can_and_thinks_where_it_must():
    assert decide(model="qwen3-4b-thinking-2507", reasoning_effort="minimal").mode is Mode.THINKING
    assert decide(model="pocket-moe", reasoning_effort="minimal").mode is Mode.PLAIN


def test_auto_takes_the_model_that_can_do_what_is_wished():
    names = ("qwen3-30b-a3b-instruct-2507", "qwen3-4b-thinking-2507")
    family = Family.of({ModelName(name): CATALOG[ModelName(name)] for name in names})
    assert decide("hello", family=family, enable_thinking=True).model == "qwen3-4b-thinking-2507"
    assert decide(HARD, family=family, enable_thinking=False).model == "qwen3-30b-a3b-instruct-2507"


def test_a_virtual_model_without_its_own_mode_answers_in_the_one_it_has():
    name = ModelName("qwen3-4b-thinking-2507")
    family = Family.of({name: CATALOG[name]})
    assert decide(model="fast", family=family) == Route(name, Mode.THINKING, Reason.FAST_ASKED)


def test_every_reason_stands_in_a_table():
    tables = {wish.reason for wish in WISHES} | {rule.reason for rule in RULES}
    forced = {Reason.FORCED_FAST, Reason.FORCED_DEEP}
    named = {Reason.NAMED_MODEL, Reason.FAST_ASKED, Reason.DEEP_ASKED}
    away = {Reason.STANDS_IN}
    assert tables | named | forced | away == set(Reason)


def test_the_endpoint_takes_the_efforts_that_the_router_knows() -> None:
    hint = get_type_hints(ChatFields)["reasoning_effort"]
    assert tuple(choices(hint, [])) == EFFORTS


FACTS = st.builds(
    RequestFacts,
    model=st.sampled_from(["auto", "fast", "deep", *NAMES, "Qwen/Qwen3-4B-Instruct-2507"])
    | st.text(max_size=8),
    enable_thinking=st.none() | st.booleans(),
    soft_switch=st.none() | st.sampled_from(Mode),
    reasoning_effort=st.none() | st.sampled_from(EFFORTS) | st.text(max_size=8),
    prompt_chars=st.integers(0, 100_000),
    question_chars=st.integers(0, 100_000),
    numbers=st.integers(0, 9),
    longest_number=st.integers(0, 9),
    asks_for_sum=st.booleans(),
    has_code=st.booleans(),
    has_maths=st.booleans(),
    asks_for_reasoning=st.booleans(),
    tools=st.integers(0, 3),
)
SERVED = st.sets(st.sampled_from(sorted(CATALOG)), min_size=1).map(
    lambda names: Family.of({name: CATALOG[name] for name in sorted(names)})
)


def route_of(facts: RequestFacts, family: Family) -> Route | None:
    try:
        return choose(facts, family)
    except (UnknownModel, UnsupportedParameter):
        return None


@given(FACTS, SERVED)
def test_a_route_never_leaves_the_checkpoints_modes_and_its_reason_is_known(facts, family):
    if route := route_of(facts, family):
        assert route.mode in family.modes(route.model)
        assert route.reason in set(Reason)


@given(FACTS, SERVED)
def test_an_explicit_wish_always_wins(facts, family):
    route = route_of(facts, family)
    if route is None:
        return
    if facts.model.lower() not in ("auto", "fast", "deep"):
        assert route.model == family.resolve(facts.model)
    if facts.enable_thinking is False:
        assert route.mode is Mode.PLAIN
    elif facts.soft_switch is not None:
        assert route.mode is facts.soft_switch
    elif facts.enable_thinking is True:
        assert route.mode is Mode.THINKING


@given(FACTS, SERVED, st.sampled_from(Depth))
def test_an_operator_decides_for_the_rules(facts, family, forced):
    facts = replace(facts, model="auto")
    route = route_of(facts, family)
    if route is None:
        return
    decided = choose(facts, family, forced)
    assert decided.reason == f"forced {forced}"
    if route.reason in {wish.reason for wish in WISHES}:
        assert decided.mode is route.mode
    else:
        assert decided.model == family.at(forced)


@given(FACTS, SERVED, st.sampled_from(Depth))
def test_an_operator_does_not_decide_for_who_names_a_model(facts, family, forced):
    route = route_of(facts, family)
    if facts.model.lower() != "auto" and route is not None:
        assert choose(facts, family, forced) == route


@given(FACTS)
def test_hybrid_models_refuse_no_mode(facts):
    hybrid = Family.of({n: f for n, f in CATALOG.items() if f.modes is Modes.HYBRID})
    known = facts.reasoning_effort is None or facts.reasoning_effort in EFFORTS
    if known and facts.model in ("auto", "fast", "deep", "pocket-moe"):
        choose(facts, hybrid)


@given(st.text(), st.none() | st.text(max_size=10))
def test_any_text_gives_a_route_or_an_error_for_the_client(text, model):
    route_of(facts_of(model, [{"role": "user", "content": text}]), ALL)
