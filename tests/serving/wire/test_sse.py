import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import AnswerTimeout, EngineFailed
from serving.wire import sse
from serving.wire.sse import Kind, Scanner


def event(value: object, *, spaced: bool = False) -> bytes:
    separators = None if spaced else (",", ":")
    return b"data: " + json.dumps(value, separators=separators).encode() + b"\n\n"


def chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


ROLE = event(chunk({"role": "assistant", "content": ""}))
USAGE = event({"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
FAILURE = event({"error": {"message": "boom", "code": 500}}, spaced=True)


def content(text: str) -> bytes:
    return event(chunk({"content": text}))


def scanned(*blocks: bytes) -> list[tuple[Kind, bytes]]:
    """The pieces, with neighbours of one kind joined: where they are cut says nothing."""
    scanner = Scanner()
    pieces = [piece for block in blocks for piece in scanner.feed(block)]
    return [
        (kind, b"".join(piece.data for piece in group))
        for kind, group in itertools.groupby(pieces, key=lambda piece: piece.kind)
    ]


def test_a_whole_stream_is_sorted_into_its_parts() -> None:
    words = content("a") + content("b")
    assert scanned(ROLE + words + USAGE + sse.DONE) == [
        (Kind.PREAMBLE, ROLE),
        (Kind.CONTENT, words),
        (Kind.USAGE, USAGE),
        (Kind.DONE, sse.DONE),
    ]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(ROLE, id="vLLM's"),
        pytest.param(event(chunk({"role": "assistant"})), id="no content"),
        pytest.param(
            event(
                chunk(
                    {
                        "role": "assistant",
                        "content": "",
                        "reasoning": None,
                        "reasoning_content": None,
                    }
                )
            ),
            id="with the door's field",
        ),
        pytest.param(event(chunk({"role": "assistant", "content": ""}), spaced=True), id="spaced"),
        pytest.param(b": waiting\n\n", id="comment"),
    ],
)
def test_what_comes_before_the_answer_is_not_content(first: bytes) -> None:
    assert scanned(first) == [(Kind.PREAMBLE, first)]


def test_a_first_event_with_role_and_words_is_content() -> None:
    first = event(chunk({"role": "assistant", "content": "Hello"}))
    assert scanned(first) == [(Kind.CONTENT, first)]


def test_an_error_event_is_found_before_and_after_content() -> None:
    assert scanned(FAILURE + sse.DONE)[0] == (Kind.ERROR, FAILURE)
    assert scanned(content("a") + FAILURE + sse.DONE)[1] == (Kind.ERROR, FAILURE)


@pytest.mark.parametrize(
    "text",
    ['data: {"error"', '"choices":[]', "data: [DONE]", '{"error": {"message"', "\n\ndata: [DONE]"],
)
def test_an_answer_that_speaks_of_events_is_only_an_answer(text: str) -> None:
    assert scanned(content("a"), content(text)) == [(Kind.CONTENT, content("a") + content(text))]


def test_an_unfinished_event_waits_for_its_end() -> None:
    scanner = Scanner()
    assert scanner.feed(content("abc")[:-3]) == []
    assert scanner.feed(content("abc")[-3:]) == [(Kind.CONTENT, content("abc"))]


def test_a_stream_without_events_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(EngineFailed):
        scanned(*[b"x" * 1024 * 1024] * 20)


streams = st.builds(
    lambda comments, roles, words, ending: b"".join([*comments, *roles, *words, *ending]),
    st.lists(st.just(b": hi\n\n"), max_size=2),
    st.lists(st.just(ROLE), max_size=2),
    st.lists(st.text(max_size=6).map(content), max_size=5),
    st.sampled_from([[USAGE, sse.DONE], [sse.DONE], [FAILURE, sse.DONE], []]),
)


@given(streams, st.lists(st.integers(0, 2000), max_size=8))
def test_how_the_bytes_are_split_makes_no_difference(stream: bytes, cuts: list[int]) -> None:
    places = sorted(min(cut, len(stream)) for cut in cuts)
    blocks = [stream[a:b] for a, b in itertools.pairwise([0, *places, len(stream)])]
    assert scanned(*blocks) == scanned(stream)


@given(streams)
def test_nothing_is_lost_or_made_up(stream: bytes) -> None:
    assert b"".join(data for _, data in scanned(stream)) == stream


def test_an_error_event_ends_the_stream_in_openais_shape() -> None:
    data = sse.error_event(AnswerTimeout("too long"))
    error, done = data.split(b"\n\n")[:2]
    assert json.loads(error.removeprefix(b"data: ")) == {
        "error": {"message": "too long", "type": "server_error", "param": None, "code": "timeout"}
    }
    assert done == b"data: [DONE]"
