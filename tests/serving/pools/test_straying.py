"""Thinking never stands in content: what begins with `<think>` is moved, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.pools.reasoning import StreamRewriter
from serving.pools.straying import Settler, settle

CASES = [
    pytest.param("<think>\nso\n</think>\n\n42", "\nso\n", "42", id="thinking first"),
    pytest.param("\n <think>so</think>42", "so", "42", id="after blanks"),
    pytest.param("<think>so", "so", "", id="cut amid thinking"),
    pytest.param("<think>a < b </th", "a < b </th", "", id="cut amid the tag"),
    pytest.param("<think></think>42", "", "42", id="no thought"),
    pytest.param("<think>a</think>\n<think>b</think>\n42", "ab", "42", id="twice"),
    pytest.param("42 <think>so</think>", "", "42 <think>so</think>", id="later it is text"),
    pytest.param("`<think>` opens", "", "`<think>` opens", id="quoted"),
    pytest.param("<thinking>", "", "<thinking>", id="another tag"),
    pytest.param("<th", "", "<th", id="less than a tag"),
    pytest.param("\n\n42", "", "\n\n42", id="blanks alone stay"),
    pytest.param("</think>42", "", "</think>42", id="an end without a beginning"),
    pytest.param("", "", "", id="nothing"),
]
PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "th", "ink>", "</", "\n", " ", "a", '"', "é"]),
    max_size=12,
)


def chunk(index: int, finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


def stream(*choices: list[str]) -> list[bytes]:
    """vLLM's events: all roles, then the choices' pieces in turn, each choice with its end."""
    events = [chunk(i, role="assistant", content="") for i in range(len(choices))]
    for turn in range(max(map(len, choices))):
        events += [
            chunk(i, content=pieces[turn]) for i, pieces in enumerate(choices) if turn < len(pieces)
        ]
    events += [chunk(i, finish="stop") for i in range(len(choices))]
    return [*events, b'data: {"choices": [], "usage": {}}\n\n', b"data: [DONE]\n\n"]


def heard(events: bytes, index: int = 0) -> tuple[str, str]:
    """Reasoning and content, as a client puts them together."""
    thought = said = ""
    for event in events.split(b"\n\n")[:-2]:
        for choice in json.loads(event.removeprefix(b"data: "))["choices"]:
            if choice["index"] == index:
                thought += choice["delta"].get("reasoning") or ""
                said += choice["delta"].get("content") or ""
    return thought, said


def settled(events: list[bytes]) -> bytes:
    settler = Settler()
    return b"".join(map(settler.feed, events))


@pytest.mark.parametrize(("text", "thought", "said"), CASES)
def test_of_a_whole_answer(text: str, thought: str, said: str) -> None:
    message = {"role": "assistant", "content": text, "reasoning": None}
    body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    found = json.loads(settle(body))["choices"][0]["message"]
    assert (found["reasoning"] or "", found["content"]) == (thought, said)


@pytest.mark.parametrize(("text", "thought", "said"), CASES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_of_a_stream_in_pieces_of_any_size(text: str, thought: str, said: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert heard(settled(stream(pieces))) == (thought, said)


@given(pieces=PIECES)
def test_a_stream_says_what_a_whole_answer_says(pieces: list[str]) -> None:
    message = {"content": "".join(pieces)}
    body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    whole = json.loads(settle(body))["choices"][0]["message"]
    assert heard(settled(stream(pieces))) == (whole.get("reasoning", ""), whole["content"])


def test_each_choice_of_a_stream_has_a_beginning_of_its_own() -> None:
    events = settled(stream(["4", "2"], ["<think>", "so", "</think>", "42"], ["<", "b>"]))
    assert [heard(events, index) for index in range(3)] == [("", "42"), ("so", "42"), ("", "<b>")]


def test_the_last_piece_may_come_with_the_end() -> None:
    events = [*stream(["<think>so</th"])[:2], chunk(0, finish="length", content="ought>")]
    assert heard(settled([*events, b"data: [DONE]\n\n"])) == ("so</thought>", "")


def test_what_needs_nothing_passes_byte_by_byte() -> None:
    events = stream(["7 + 8", " is", " 15", " <think>"])
    thinking = [chunk(0, reasoning="so"), chunk(0, reasoning=" 15")]
    assert settled([events[0], *thinking, *events[1:]]) == b"".join(
        [events[0], *thinking, *events[1:]]
    )


def test_what_was_moved_has_both_names_in_the_end() -> None:
    rewriter = StreamRewriter()
    events = b"".join(map(rewriter.feed, stream(["<think>", "so", "</think>", "42"])))
    assert b'"reasoning":"so","reasoning_content":"so"' in events
    assert heard(events) == ("so", "42")
