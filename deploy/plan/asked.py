"""What `bifocal plan` is asked, read into a demand; every wrong word named with what is allowed."""

import json
from pathlib import Path
from typing import Any, Final

from deploy.failure import Exit, Failure
from serving.catalog import CATALOG, ModelFacts
from serving.layout import BadModelConfig, facts_of_config
from serving.layout.gpus import GpuKind, UnknownGpu, kind
from serving.values import ModelName

LARGEST_CONFIG: Final = 1 << 20
"""Bytes; a config.json has a few thousand."""


def gpu_of(name: str) -> GpuKind:
    try:
        return kind(name.lower())
    except UnknownGpu as error:
        raise Failure(Exit.BAD_INPUT, f"--gpu: {error}") from None


def model_of(name: str | None, config_json: Path | None) -> ModelFacts:
    """Of the file if there is one, under the name if there is one; else of the catalog."""
    if config_json is not None:
        return _of_file(config_json, name)
    if name is None:
        raise Failure(
            Exit.BAD_INPUT,
            "--model is missing",
            f"name one of {', '.join(CATALOG)}, or a file with --config-json",
        )
    wished = name.lower()
    for facts in CATALOG.values():
        if wished in (facts.name, facts.hf_id.lower()):
            return facts
    what = f"--model: found {name!r}; allowed: {', '.join(CATALOG)}"
    raise Failure(Exit.BAD_INPUT, what, "another Qwen3 checkpoint: give its --config-json FILE")


def _of_file(path: Path, name: str | None) -> ModelFacts:
    try:
        return facts_of_config(_object(path), ModelName(name or path.parent.name or path.stem))
    except BadModelConfig as error:
        raise Failure(Exit.BAD_INPUT, f"{path}: {error}") from None


def _object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_CONFIG + 1)
    except OSError as error:
        raise Failure(Exit.BAD_INPUT, f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > LARGEST_CONFIG:
        raise Failure(Exit.BAD_INPUT, f"{path}: more than {LARGEST_CONFIG:,} bytes: no config.json")
    try:
        found = json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Failure(Exit.BAD_INPUT, f"{path}: {where}: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise Failure(Exit.BAD_INPUT, f"{path}: not JSON in UTF-8") from None
    if not isinstance(found, dict):
        kind_of = type(found).__name__
        raise Failure(Exit.BAD_INPUT, f"{path}: found a {kind_of}; a config.json is an object")
    return found
