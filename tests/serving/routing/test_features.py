import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.routing.features import facts_of
from serving.values import Mode, RequestFacts


def asked(text: str, **more: object) -> RequestFacts:
    return facts_of("auto", [{"role": "user", "content": text}], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("hello", None),
        ("hello /think", Mode.THINKING),
        ("/no_think hello", Mode.PLAIN),
        ("/think no, /no_think", Mode.PLAIN),
        ("/no_think no, /think", Mode.THINKING),
        ("/no_think.", Mode.PLAIN),
        ("(/think)", Mode.THINKING),
        ("你好/no_think", Mode.PLAIN),
        ("/think你好", Mode.THINKING),
        ("see /think/about.md", None),
        ("see /docs/think", None),
        ("https://example.org/think", None),
        ("./think", None),
        ("/think.md", None),
        ("/thinking", None),
        ("/no_thinking", None),
        ("I think", None),
        ("/THINK", None),
        ("/think, then read /think/a /think/b", Mode.THINKING),
        ("/no_think" + " x" * 50_000, Mode.PLAIN),
    ],
)
def test_a_soft_switch_is_a_word_of_its_own_and_the_latest_wins(text, mode):
    assert asked(text).soft_switch is mode


def test_only_the_latest_user_turn_is_read():
    facts = facts_of(
        None,
        [
            {"role": "system", "content": "/no_think prove it"},
            {"role": "user", "content": "1234 + 5678 /no_think"},
            {"role": "assistant", "content": "6912, step by step"},
            {"role": "user", "content": "thanks"},
            {"role": "tool", "content": "7 8 9"},
        ],
    )
    assert (facts.model, facts.soft_switch, facts.numbers) == ("auto", None, 0)
    assert not facts.asks_for_reasoning
    assert facts.question_chars == len("thanks")
    assert facts.prompt_chars == 18 + 21 + 18 + 6 + 5


def test_text_in_parts_counts_and_other_parts_are_passed_over():
    content = [
        {"type": "text", "text": "12345 +"},
        {"type": "image_url", "image_url": {"url": "data:9999"}},
        {"type": "text", "text": "67890"},
        "stray",
        {"type": "text", "text": None},
    ]
    facts = facts_of("auto", [{"role": "user", "content": content}])
    assert (facts.numbers, facts.longest_number, facts.asks_for_sum) == (2, 5, True)


@pytest.mark.parametrize(
    ("text", "numbers", "longest"),
    [
        ("no number", 0, 0),
        ("7 and 12", 2, 2),
        ("12345", 1, 5),
        ("12,345", 1, 5),
        ("1.234.567", 1, 7),
        ("١٢٣ و ٤٥", 2, 3),
        ("१२३४", 1, 4),
        ("１２３４５", 1, 5),
        ("3.14", 1, 3),
        ("qwen3", 1, 1),
    ],
)
def test_numbers_are_those_of_any_script(text, numbers, longest):
    facts = asked(text)
    assert (facts.numbers, facts.longest_number) == (numbers, longest)


@pytest.mark.parametrize(
    "text",
    [
        "12 + 30",
        "12+30",
        "What is 12 plus 30?",
        "The sum of 12 and 30",
        "Add 12 and 30.",
        "I have 12 and 30. How many in total?",
        "12, 30 and 41",
        "What is 12, 30, 41?",
        "Combien font 12 plus 30 ?",
        "Fais la somme de 12 et 30",
        "12 más 30",
        "Suma 12 y 30",
        "12 und 30 zusammen",
        "Berechne die Summe: 12 und 30",
        "Сколько будет 12 плюс 30?",
        "Сложи 12 и 30",
        "把12和30加起来",
        "12加30是多少？",
        "12足す30はいくつ",
        "12と30の合計は？",
        "١٢ زائد ٣٠",
        "اجمع 12 و 30",
        "12 और 30 का योग",
        "12 더하기 30",
        "12와 30의 합은?",
        "Quanto fa 12 più 30?",
        "Qual é a soma de 12 e 30?",
        "12 artı 30 kaç eder?",
        "Tổng của 12 và 30",
        "Jumlah 12 dan 30",
    ],
)
def test_a_sum_is_seen_in_many_languages(text):
    assert asked(text).asks_for_sum


@pytest.mark.parametrize(
    "text",
    [
        "Where is order 48213?",
        "Was there a war between 1914 and 1918?",
        "Il y a plus de 100 pages",
        "call +49 30 12345",
        "the total of them",
        "Convert 1250 EUR to JPY",
        "C++ 11 or 14?",
        "meet at 10:30 on 24.12.2026",
    ],
)
def test_numbers_alone_are_no_sum(text):
    assert not asked(text).asks_for_sum


@pytest.mark.parametrize(
    "text",
    [
        "```\nx\n```",
        "write a Python program that sorts",
        "def f(x):\n    return x",
        "SELECT name FROM users",
        "Traceback (most recent call last)",
        "why does main() crash",
        "#include <stdio.h>",
        "import os\nos.exit",
        "class Dog(Animal):\n    pass",
        "const a = 1;",
        "what does function f(a) do",
        "<b>bold</b>",
        "if x == 3 then",
        "see\n$ ls -l (long)",
        "用Python写一个函数",
        "напиши программу",
        "Debug this please",
        "c++ templates",
    ],
)
def test_code_and_tasks_about_code_are_seen(text):
    assert asked(text).has_code


@pytest.mark.parametrize(
    "text",
    [
        "the postal code of Berlin",
        "a dress code",
        "who are you? (really)",
        "class of 2020",
        "a < b",
    ],
)
def test_other_words_are_not_code(text):
    assert not asked(text).has_code


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{1}{2}",
        "x^2 + 1",
        "∫ f dx",
        "x² = 9",
        "3x - 7 = 2",
        "123 * 456",
        "solve for y",
        "the probability of two sixes",
        "解方程",
        "найди производную",
    ],
)
def test_mathematics_is_seen(text):
    assert asked(text).has_maths


@pytest.mark.parametrize(
    "text",
    [
        "a flat of 80 m²",
        "^_^",
        "well-off = rich",
        "2 * 3",
        "$5 and $10",
        "a * b",
        "50 % off",
    ],
)
def test_units_and_prices_are_not_mathematics(text):
    assert not asked(text).has_maths


@pytest.mark.parametrize(
    "text",
    [
        "Prove it.",
        "explain STEP BY STEP",
        "weigh the pros and cons",
        "Denk Schritt für Schritt nach",
        "Analysiere den Vertrag",
        "explique étape par étape",
        "explícalo paso a paso",
        "passo dopo passo",
        "Докажите теорему",
        "объясни пошагово",
        "请一步一步解释",
        "証明してください",
        "단계별로 설명해 줘",
        "خطوة بخطوة",
        "चरण दर चरण समझाओ",
        "adım adım anlat",
        "giải thích từng bước",
        "jelaskan langkah demi langkah",
        "krok po kroku",
        "stap voor stap",
    ],
)
def test_reasoning_is_asked_for_in_many_languages(text):
    assert asked(text).asks_for_reasoning


@pytest.mark.parametrize("text", ["proverbs", "a stepping stone", "waterproof", "I reckon so"])
def test_a_word_is_matched_whole(text):
    assert not asked(text).asks_for_reasoning


def test_a_long_turn_is_read_at_both_ends():
    filler = " word" * 30_000
    assert asked(f"prove this:{filler}").asks_for_reasoning
    assert asked(f"{filler} prove this").asks_for_reasoning
    assert asked(filler).question_chars == len(filler)


@pytest.mark.parametrize(
    "unit", ["a", "1", " ", "\n", "1 + ", "x^", "/think/", "SELECT ", "`", "加"]
)
def test_work_is_bounded_whatever_the_text(unit):
    text = "(" + unit * (1_000_000 // len(unit))
    started = time.process_time()
    asked(text)
    assert time.process_time() - started < 0.25  # about 0.01


@given(st.text(), st.lists(st.text(max_size=20)))
def test_any_text_has_facts(text, parts):
    asked(text)
    facts_of(None, [{"role": "user", "content": [{"text": part} for part in parts]}])


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_content_has_facts(content):
    facts = facts_of("auto", [{"role": "user", "content": content}, {"content": content}, {}])
    assert facts.model == "auto"
