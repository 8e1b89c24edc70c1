"""Fields that no table has: dropped where they ask for nothing, else refused, all by name."""

from typing import Any

import pytest

from serving.config import Limits
from serving.errors import UnsupportedParameter
from serving.wire import beyond, chat, completions
from serving.wire import request as wire

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
ONCE = {"prompt": "once"}
KNOWN = sorted(beyond.HARMLESS.keys() | beyond.UNSUPPORTED | beyond.OPERATORS)


def parse(**fields: Any) -> wire.WireRequest:
    return chat.parse({**HELLO, **fields}, Limits())


def refused(**fields: Any) -> UnsupportedParameter:
    with pytest.raises(UnsupportedParameter) as caught:
        parse(**fields)
    return caught.value


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"store": False}, id="store nothing"),
        pytest.param({"metadata": {"run": "7"}}, id="metadata"),
        pytest.param({"service_tier": "auto"}, id="any tier"),
        pytest.param({"service_tier": "default"}, id="the only tier"),
        pytest.param({"safety_identifier": "u1"}, id="safety"),
        pytest.param({"prompt_cache_key": "k"}, id="cache key"),
        pytest.param({"modalities": ["text"]}, id="text"),
        pytest.param({"user": "u"}, id="user"),
        pytest.param({"store": False, "metadata": {}, "prediction": None}, id="several"),
    ],
)
def test_what_asks_for_nothing_is_taken_and_does_not_reach_the_engine(
    fields: dict[str, Any],
) -> None:
    assert parse(**fields).body == HELLO
    assert completions.parse({**ONCE, **fields}, Limits()).body == ONCE


@pytest.mark.parametrize("name", KNOWN)
def test_null_is_unset_whatever_the_field(name: str) -> None:
    assert parse(**{name: None}).body == HELLO


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"store": True}, "store: true is not supported; allowed: false", id="store"),
        pytest.param(
            {"service_tier": "flex"},
            'service_tier: "flex" is not supported; allowed: "auto", "default"',
            id="tier",
        ),
        pytest.param(
            {"modalities": ["audio"]},
            'modalities: ["audio"] is not supported; allowed: ["text"]',
            id="audio",
        ),
        pytest.param(
            {"modalities": ["text", "audio"]},
            'modalities: a list is not supported; allowed: ["text"]',
            id="text and audio",
        ),
        pytest.param(
            {"metadata": "x"}, 'metadata: "x" is not supported; allowed: an object', id="metadata"
        ),
        pytest.param({"prediction": {"a": 1}}, "prediction is not supported", id="prediction"),
        pytest.param({"verbosity": "low"}, "verbosity is not supported", id="verbosity"),
        pytest.param({"functions": []}, "functions is not supported", id="functions"),
        pytest.param(
            {"temprature": 1}, "temprature is not supported (did you mean temperature?)", id="typo"
        ),
        pytest.param({"topP": 1}, "topP is not supported (did you mean top_p?)", id="camel"),
        pytest.param({"temprature": None}, "temprature is not supported (did", id="a null typo"),
        pytest.param({"x" * 9000: 1}, "x" * 64 + " is not supported", id="a long name"),
    ],
)
def test_what_is_not_done_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    error = refused(**fields)
    assert error.message.startswith(message)
    assert error.param == next(iter(fields))[:64]


@pytest.mark.parametrize("name", sorted(beyond.OPERATORS))
def test_an_operators_field_is_refused(name: str) -> None:
    error = refused(**{name: 1})
    assert (error.message, error.param) == (f"{name} is for operators only", name)


def test_all_wrong_fields_are_named_at_once() -> None:
    error = refused(verbosity="low", temprature=1, store=False, priority=5)
    assert error.message == (
        "priority is for operators only; temprature is not supported (did you mean temperature?); "
        "verbosity is not supported"
    )
    assert error.param == "priority"


def test_of_very_many_wrong_fields_the_first_are_named() -> None:
    error = refused(**{f"zz{number:03}": 1 for number in range(100)})
    assert "zz007 is not supported; and 92 more" in error.message
    assert len(error.message) < 500


def test_what_was_meant_is_looked_for_only_of_fields_that_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes long, and the body's sender says how many there are."""
    looked_for: list[str] = []
    monkeypatch.setattr(beyond, "get_close_matches", lambda name, *_, **__: looked_for.append(name))
    refused(**{f"temperatur{number:03}": 1 for number in range(100)})
    assert len(looked_for) == 8


def test_a_field_stands_in_one_place_only() -> None:
    for table in wire.NAMES.values():
        assert not table & set(KNOWN)
    assert len(KNOWN) == sum(map(len, (beyond.HARMLESS, beyond.UNSUPPORTED, beyond.OPERATORS)))
