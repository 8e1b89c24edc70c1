import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import LimitExceeded, MalformedRequest
from serving.wire.json import decode_object

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(st.dictionaries(st.text(max_size=3), values, max_size=4), st.integers(1, 6))
def test_an_object_passes_exactly_when_it_is_not_too_deep(
    value: dict[str, object], limit: int
) -> None:
    body = json.dumps(value).encode()
    if depth(value) <= limit:
        assert decode_object(body, limit) == value
    else:
        with pytest.raises(LimitExceeded):
            decode_object(body, limit)


@pytest.mark.parametrize("levels", [65, 1_000, 2_000_000])
def test_deep_json_is_refused_at_once(levels: int) -> None:
    began = time.monotonic()
    with pytest.raises(LimitExceeded, match="64 levels"):
        decode_object(b'{"a":' + b"[" * levels + b"]" * levels + b"}", 64)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{", "not JSON", id="cut"),
        pytest.param(b'{"a":NaN}', "not JSON", id="NaN"),
        pytest.param(b'{"a":1} {"b":2}', "not JSON", id="two of them"),
        pytest.param(b'{"a":"\xff"}', "not UTF-8", id="not UTF-8"),
        pytest.param(b'{"a":"\\ud800"}', "not JSON", id="half a character"),
        pytest.param(b"[1]", "must be a JSON object, not list", id="array"),
        pytest.param(b'"text"', "must be a JSON object, not str", id="text"),
    ],
)
def test_what_is_no_json_object_is_malformed(body: bytes, says: str) -> None:
    with pytest.raises(MalformedRequest, match=says):
        decode_object(body, 64)
