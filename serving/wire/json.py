"""A request's JSON, decoded once, and refused before anything recursive walks it too deep."""

from typing import Any, Final

import msgspec

from serving.errors import LimitExceeded, MalformedRequest

encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def decode_object(body: bytes, max_depth: int) -> dict[str, Any]:
    """The body as a JSON object of at most `max_depth` levels."""
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep(max_depth) from None
    except UnicodeDecodeError:
        msg = "the body is not UTF-8"
        raise MalformedRequest(msg) from None
    except msgspec.DecodeError as error:
        msg = f"the body is not JSON: {error}"
        raise MalformedRequest(msg) from None
    if not isinstance(value, dict):
        msg = f"the body must be a JSON object, not {type(value).__name__}"
        raise MalformedRequest(msg)
    # As many levels need as many brackets, and counting bytes costs next to nothing.
    if body.count(b"{") + body.count(b"[") > max_depth and _deeper_than(value, max_depth):
        raise _too_deep(max_depth)
    return value


def _deeper_than(value: object, levels: int) -> bool:
    """Level by level, so that the tree's depth costs no stack."""
    level: list[Any] = [value]
    for _ in range(levels):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep(max_depth: int) -> LimitExceeded:
    return LimitExceeded(f"the JSON is nested too deep; allowed are {max_depth} levels")
