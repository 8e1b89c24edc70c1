"""Values that bear another name now: they are taken under the old one for a release, which says so.

Pure. The schema admits both names, the templates and `Values` read the old as the new, and the
notes of an install or upgrade name what is to be written otherwise. Whoever renames a value adds a
line here and nothing else; a test asks for its end when the release that ends it is made.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Renamed:
    was: str
    now: str
    until: str
    """The version of the chart that refuses the old name."""


RENAMED: Final = (
    Renamed("head.state.rocksdb.size", "head.state.size", "0.2.0"),
    Renamed("head.state.rocksdb.storageClass", "head.state.storageClass", "0.2.0"),
)


def with_new_names(values: Any) -> Any:
    """The same values, as today's names have them; what is no map is left to who reads it."""
    if not isinstance(values, Mapping):
        return values
    found = deepcopy(dict(values))
    for each in RENAMED:
        *way, last = each.was.split(".")
        place = _at(found, way)
        if place is not None and last in place:
            *way, name = each.now.split(".")
            there = _at(found, way)
            if there is not None:
                there[name] = place.pop(last)
    for each in RENAMED:
        _without_empty(found, each.was.split(".")[:-1])
    return found


def with_old_names(properties: dict[str, Any], definitions: Mapping[str, Any]) -> None:
    """Puts them into a JSON schema, each as the new name has it."""
    for each in RENAMED:
        *way, name = each.now.split(".")
        new = _section(properties, way, definitions)[name]
        *way, name = each.was.split(".")
        said = f"Now {each.now}; refused from {each.until} on."
        _section(properties, way, definitions)[name] = {**new, "description": said}


def _at(values: dict[str, Any], way: list[str]) -> dict[str, Any] | None:
    for key in way:
        inner = values.get(key)
        if not isinstance(inner, dict):
            return None
        values = inner
    return values


def _without_empty(values: dict[str, Any], way: list[str]) -> None:
    """A section that held nothing but old names."""
    holder = _at(values, way[:-1])
    if holder is not None and holder.get(way[-1]) == {}:
        del holder[way[-1]]


def _section(
    properties: dict[str, Any], way: list[str], definitions: Mapping[str, Any]
) -> dict[str, Any]:
    """The properties there, closed as every section is; one that only old names have is made."""
    for key in way:
        made = {"type": "object", "additionalProperties": False, "properties": {}}
        section = properties.setdefault(key, made)
        if "$ref" in section:
            section = definitions[section["$ref"].rpartition("/")[2]]
        properties = section["properties"]
    return properties
