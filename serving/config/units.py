"""Durations and sizes with their unit: text in the file, a number in the code."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def _parse(units: Mapping[str, float], example: str, kind: type[float] | type[int]) -> Any:
    pattern = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(units)})")

    def parse(value: object) -> object:
        found = pattern.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            msg = f"a number with a unit ({', '.join(units)}), such as {example}"
            raise ValueError(msg)
        return kind(float(found[1]) * units[found[2]])

    return parse


def _text_with(units: Mapping[str, float]) -> Any:
    """For the JSON schema, so that `helm install` and editors refuse a number without a unit."""
    return Annotated[str, Field(pattern=rf"^\d+(\.\d+)?({'|'.join(units)})$")]


def _duration_text(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms" if seconds < 1 else f"{seconds:g}s"


_READ_SECONDS: Final = BeforeValidator(
    _parse(_SECONDS, "30s", float), json_schema_input_type=_text_with(_SECONDS)
)

Seconds = Annotated[
    float,
    _READ_SECONDS,
    PlainSerializer(_duration_text),
    Field(gt=0),
]
"""Written as `500ms`, `30s`, `5m`, `1h`, `90d`; in the code a float of seconds."""

Wait = Annotated[
    float,
    _READ_SECONDS,
    PlainSerializer(_duration_text),
    Field(ge=0),
]
"""As `Seconds`; `0s` is none."""

Bytes = Annotated[
    int,
    BeforeValidator(_parse(_BYTES, "4MiB", int), json_schema_input_type=_text_with(_BYTES)),
    PlainSerializer(lambda size: f"{size}B"),
    Field(gt=0),
]
"""Written as `64KiB`, `4MiB`; in the code a number of bytes."""
