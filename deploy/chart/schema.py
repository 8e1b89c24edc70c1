"""`values.schema.json`: what `helm install` holds values against, made from `deploy.chart.values`.

Draft 7, which every Helm knows. Every object is closed, so that a misspelt key is refused and not
passed over. Helm hands every chart a `global`, which says nothing here.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from deploy.chart.renamed import with_old_names
from deploy.chart.values import Values
from deploy.config import GROUP_NAME, MODEL_NAME
from deploy.source import FOLDER, REVISION, SEAL, SEALED, WRITTEN
from serving.config import COUNTS, MEMORY_ARGUMENT, OURS
from serving.layout.gpus import KINDS
from serving.routing import VIRTUAL

DRAFT: Final = "http://json-schema.org/draft-07/schema#"


def schema() -> dict[str, Any]:
    """JSON-ready."""
    found = Values.model_json_schema()
    found.pop("title", None)
    for part in list(parts(found)):
        _as_draft_7(part)
        _as_yaml_1_1(part)
        _as_text(part)
    _add_checks(found["$defs"], found["properties"])
    with_old_names(found["properties"], found["$defs"])
    found["properties"]["global"] = {"type": "object", "additionalProperties": False}
    return {"$schema": DRAFT, "title": "Values of the chart bifocal", **found}


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema that is a schema itself or holds some."""
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from parts(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from parts(inner)


def _as_draft_7(part: dict[str, Any]) -> None:
    """Pydantic writes a map with patterns for its keys open to others; here the pattern is what
    each key must be. (No `propertyNames`: of what fails there Helm 4.3.1 names another place,
    now and then.) A default is the code's to give, and Helm would not give it."""
    if isinstance(part.get("title"), str):
        part.pop("title")
    if "$ref" in part or "type" in part or "anyOf" in part:
        part.pop("default", None)
    if part.get("patternProperties"):
        part["additionalProperties"] = False


def _as_yaml_1_1(part: dict[str, Any]) -> None:
    """Helm reads YAML 1.1, in which a bare `on` is true, also where it is a key. The templates take
    both."""
    properties = part.get("properties")
    if isinstance(properties, dict) and "on" in properties:
        properties["true"] = properties["on"]
        part["required"].remove("on")
        part["anyOf"] = [{"required": ["on"]}, {"required": ["true"]}]
        if not part["required"]:
            del part["required"]


def _as_text(part: dict[str, Any]) -> None:
    """A duration is compared as a number and written as text, of which a schema knows nothing."""
    part.pop("ge", None)
    if part.pop("gt", None) == 0 and part.get("type") == "string":
        part["not"] = {"pattern": r"^[0.]+[a-z]+$"}


def _add_checks(sections: dict[str, Any], whole: dict[str, Any]) -> None:
    """What the code checks beyond types, as far as a schema can: a gateway that refuses its file
    would not start, and nobody reads its log before."""
    model = sections["ModelSpec"]["properties"]
    model["engine"]["properties"] = {
        **_refused(OURS),
        **{name: {"type": "integer", "minimum": 1} for name in sorted(COUNTS)},
        MEMORY_ARGUMENT: {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    }
    _add_kinds(sections["GpuValues"]["properties"]["kind"])
    _add_example(sections["Images"]["properties"]["registry"], "registry.example.org/ai")
    _add_example(sections["Redis"]["properties"]["address"], "redis://host:6379")
    _add_sources(sections["ModelSpec"])
    _name(sections["NetworkSpec"]["properties"]["nccl"], "^NCCL_")
    _name(whole["gpus"], f"^{GROUP_NAME.pattern}$")
    _name(whole["models"], f"^{MODEL_NAME.pattern}$")
    whole["models"]["properties"] = _refused(VIRTUAL)


def _name(map: dict[str, Any], pattern: str) -> None:
    """Each key of the map must be so."""
    map["patternProperties"] = {pattern: map["additionalProperties"]}
    map["additionalProperties"] = False


def _refused(names: Iterable[str]) -> dict[str, bool]:
    return dict.fromkeys(sorted(names), False)


def _add_kinds(kind: dict[str, Any]) -> None:
    """Another one needs a layout of its own, so it is taken by its form alone; whoever mistypes one
    is told which there are."""
    kind["anyOf"] = [{"enum": ["cpu", *KINDS]}, {"pattern": kind.pop("pattern")}]


def _add_example(text: dict[str, Any], example: str) -> None:
    """Of a pattern that few read: what is refused is told beside one that is right."""
    text["anyOf"] = [{"enum": [example]}, {"pattern": text.pop("pattern")}]


def _add_sources(model: dict[str, Any]) -> None:
    """As `deploy.source` reads them; the token of fixed targets is for these."""
    for name, pattern in (("source", WRITTEN), ("revision", REVISION)):
        text, null = model["properties"][name]["anyOf"]
        model["properties"][name]["anyOf"] = [{**text, "pattern": f"^({pattern})$"}, null]
    some = {"required": ["targets"], "properties": {"targets": {"minItems": 1}}}
    model["dependencies"] = {"targetsToken": some}
    model["allOf"] = [
        {
            "if": {"required": ["source"], "properties": {"source": {"pattern": f"^{kind}"}}},
            "then": {"properties": {"revision": allowed}},
        }
        for kind, allowed in (
            (FOLDER, {"type": "null"}),
            (SEALED, {"type": ["string", "null"], "pattern": f"^{SEAL.pattern}$"}),
        )
    ]


def text() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
