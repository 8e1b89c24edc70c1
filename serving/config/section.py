"""What every part of the cluster file is."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A part of the cluster file: closed, frozen, camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        strict=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )


def default(value: Any) -> Any:
    """A default in the file's own words, so that it is parsed as the file is."""
    return Field(default=value, validate_default=True)
