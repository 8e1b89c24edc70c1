"""`reasoning_content` beside `reasoning`, without parsing."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.pools.reasoning import StreamRewriter, rewrite

TEXT = st.one_of(
    st.text(),
    st.sampled_from(
        ['"reasoning":"x"', '\\"reasoning":', '{"reasoning":null}', "\\", '"', "reasoning", "\n\n"]
    ),
)


def chat(content: str | None, reasoning: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "reasoning": reasoning}
    return {"id": "1", "choices": [{"index": 0, "message": message}], "usage": {"total_tokens": 3}}


def encode(document: object, *, ascii_only: bool = False) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=ascii_only).encode(
        errors="surrogatepass"
    )


@given(content=st.none() | TEXT, reasoning=st.none() | TEXT, ascii_only=st.booleans())
def test_the_field_is_doubled_and_nothing_else_changes(
    content: str | None, reasoning: str | None, ascii_only: bool
) -> None:
    document = chat(content, reasoning)
    found = json.loads(rewrite(encode(document, ascii_only=ascii_only)))
    document["choices"][0]["message"]["reasoning_content"] = reasoning
    assert found == json.loads(encode(document))


@given(text=TEXT)
def test_text_that_looks_like_the_field_is_left_alone(text: str) -> None:
    body = encode({"content": text, "name": "reasoning"})
    assert rewrite(body) == body


def events(*texts: tuple[str, str]) -> bytes:
    deltas = [{"choices": [{"delta": {key: text}}]} for key, text in texts]
    return b"".join(b"data: " + encode(delta) + b"\n\n" for delta in deltas) + b"data: [DONE]\n\n"


@given(
    texts=st.lists(st.tuples(st.sampled_from(["reasoning", "content"]), TEXT), max_size=5),
    data=st.data(),
)
def test_a_stream_cut_anywhere_reads_the_same(
    texts: list[tuple[str, str]], data: st.DataObject
) -> None:
    stream = events(*texts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    edges = [0, *sorted(cuts), len(stream)]
    rewriter = StreamRewriter()
    pieces = [rewriter.feed(stream[a:b]) for a, b in pairwise(edges)]
    assert b"".join(pieces) + rewriter.finish() == rewrite(stream)


@pytest.mark.parametrize("cut", range(1, 40))
def test_only_whole_events_pass(cut: int) -> None:
    stream = events(("reasoning", "so"), ("content", "42"))
    passed = StreamRewriter().feed(stream[:cut])
    assert passed == b"" or passed.endswith(b"\n\n")


def test_a_whole_event_is_not_held_back() -> None:
    event = b'data: {"choices":[{"delta":{"reasoning":"a"}}]}\n\n'
    expected = b'data: {"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}\n\n'
    assert StreamRewriter().feed(event) == expected


def test_a_stream_that_breaks_off_loses_nothing() -> None:
    rewriter = StreamRewriter()
    assert rewriter.feed(b"data: {") == b""
    assert rewriter.finish() == b"data: {"
