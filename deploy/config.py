"""The cluster file: read once, checked whole, and refused with the key, the value and the remedy.

The only reader of the cluster file. It joins the slices of the other packages with what only a
deployment knows (`gpus`). What comes from the environment is `deploy.environment`'s.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, ValidationError

from deploy.allowed import problems
from deploy.failure import Failure
from deploy.groups import GpuSpec
from deploy.layouts import problems_of_layouts
from deploy.reading import Document, Place, UnreadableFile, read_document, with_on
from deploy.source import Scheme, is_folder, parse
from serving.addresses import is_loopback
from serving.catalog import CATALOG, ModelFacts
from serving.config import ModelSpec, ServingSpec
from serving.layout.gpus import KINDS
from serving.routing import VIRTUAL
from serving.values import ModelName

POCKET: Final = Path(__file__).parent / "pocket" / "bifocal.yaml"
"""The cluster file that is used where none is given; `examples/pocket.yaml` is the same text."""
MAX_PROBLEMS_SHOWN: Final = 20
MORE_MAY_FOLLOW: Final = (
    "whether its parts fit together is checked once these are mended, so more may follow"
)

MODEL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
GROUP_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,16}[a-z0-9])?")
"""Part of names of Kubernetes' objects, so that every cluster file is a values file: KubeRay leaves
a RayService 47 characters, and the release takes up to 28 of them."""


class ConfigError(Exception):
    """The file cannot be used; the message lists every problem with its place, one a line."""


class Cluster(ServingSpec):
    """The whole file."""

    gpus: Annotated[dict[str, GpuSpec], Field(min_length=1)]
    """Groups of like nodes, by names of your own (a-z, 0-9, -; at most 18 characters); `models`
    stand on them."""

    @property
    def served(self) -> dict[ModelName, ModelFacts]:
        """The facts of every pool, in the file's order, as clients may name it."""
        return {name: _facts(name, spec) for name, spec in self.models.items()}

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from self._problems_of_groups()
        yield from self._problems_of_models()
        yield from self._problems_of_gateway()
        yield from problems_of_layouts(self.models, self.gpus)

    def _problems_of_groups(self) -> Iterator[str]:
        for name in self.gpus:
            if not GROUP_NAME.fullmatch(name):
                yield (
                    f"gpus.{name}: not a name for a group; allowed: a-z, 0-9 and -, from a letter "
                    "on, with no - at the end, and no longer than 18, as it is part of names on "
                    "Kubernetes"
                )

    def _problems_of_models(self) -> Iterator[str]:
        for name, model in self.models.items():
            if name in VIRTUAL or not MODEL_NAME.fullmatch(name):
                yield (
                    f"models.{name}: not a name for a model; allowed: a-z, 0-9, - and ., from a "
                    f"letter or digit on, and no longer than 63, but not {', '.join(VIRTUAL)}"
                )
            elif (kind := model.like or name) not in CATALOG:
                key = f"models.{name}.like" if model.like else f"models.{name}"
                near = difflib.get_close_matches(kind, CATALOG, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                yield (
                    f"{key}: {kind} is not in the catalog; {hint}allowed: {', '.join(CATALOG)}. "
                    "Another name needs `source`, its weights, and `like`, the catalog entry that "
                    "it is a kind of"
                )
            else:
                yield from _problems_of_layout(name, model, CATALOG[kind])
                yield from self._problems_of_source(name, model, CATALOG[kind])
                yield from self._problems_of_context(name, model, CATALOG[kind])
                yield from self._problems_of_instead(name, model)
            if model.on not in self.gpus:
                yield f"models.{name}.on: found {model.on!r}; allowed: {', '.join(self.gpus)}"

    def _problems_of_instead(self, name: ModelName, model: ModelSpec) -> Iterator[str]:
        """Whoever stands in keeps the request's mode, so the two must share one."""
        if model.instead not in self.models:  # said elsewhere
            return
        other = CATALOG.get(self.models[model.instead].like or model.instead)
        offered = CATALOG[model.like or name].modes.offered
        if other is not None and not {*offered} & {*other.modes.offered}:
            yield (
                f"models.{name}.instead: found {model.instead!r}, which has only "
                f"{' and '.join(other.modes.offered)}, and {name} only {' and '.join(offered)}"
            )

    def _problems_of_source(
        self, name: ModelName, model: ModelSpec, facts: ModelFacts
    ) -> Iterator[str]:
        if name != facts.name and model.source is None and not model.targets:
            yield (
                f"models.{name}: like says that it is a kind of {facts.name}, and there is no "
                f"source, so {facts.name} itself would answer by another name. Write the source of "
                f"its weights (to serve those of {facts.name}: {_weights_of(facts)}), or call it "
                f"{facts.name}"
            )
        try:
            parse(model.source or facts.hf_id, model.revision, Scheme(self.weights.hub))
        except Failure as error:
            yield f"models.{name}.{error.what}{f'; {error.remedy}' if error.remedy else ''}"

    def _problems_of_context(
        self, name: ModelName, model: ModelSpec, facts: ModelFacts
    ) -> Iterator[str]:
        """Of the catalog's own weights, where no planner sets up YaRN: it says more itself."""
        group = self.gpus.get(model.on)
        planned = group is None or group.kind in KINDS
        if planned or model.source or model.targets or (model.context or 0) <= facts.context:
            return
        yield (
            f"models.{name}.context: found {model.context}, and {facts.name} has {facts.context}; "
            f"allowed on {model.on}: at most {facts.context}"
        )

    def _problems_of_gateway(self) -> Iterator[str]:
        if self.gateway.keys is None and not is_loopback(self.gateway.host):
            yield (
                f"gateway.host: found {self.gateway.host!r}, which others can reach, and there is "
                "no gateway.keys; allowed: 127.0.0.1, or a file of keys (`bifocal key new`)"
            )


Kind = TypeVar("Kind", bound=Cluster)


def load(path: Path | None = None) -> Cluster:
    """The file's cluster, or the pocket one. Raises ConfigError.

    File names in it are relative to it, and absolute in what is returned.
    """
    return load_as(Cluster, path or POCKET)


def load_as(kind: type[Kind], path: Path) -> Kind:
    """A cluster file, or one that says more. Raises ConfigError."""
    try:
        document = with_on(read_document(path))
    except UnreadableFile as error:
        raise ConfigError(str(error)) from None
    if not isinstance(document.data, dict):
        msg = f"{path}: not a map; it starts with `gpus:` and `models:` (see examples/)"
        raise ConfigError(msg)
    try:
        cluster = kind.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(_report(error, kind, document, path)) from None
    return _with_paths(cluster, path.parent.absolute())


def schema() -> dict[str, Any]:
    """The JSON schema of the cluster file."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "bifocal.yaml"}
    return head | {k: v for k, v in Cluster.model_json_schema().items() if k != "title"}


def _problems_of_layout(name: ModelName, model: ModelSpec, facts: ModelFacts) -> Iterator[str]:
    if facts.is_moe:
        return
    if model.layout.expert:
        yield f"models.{name}.layout.expert: found true, but {facts.name} has no experts"
    if model.layout.data > 1:
        yield (
            f"models.{name}.layout.data: found {model.layout.data}, but {facts.name} has no experts"
            " that its engines could share; allowed: 1, with replicas for more throughput"
        )


def _weights_of(facts: ModelFacts) -> str:
    return f"source: {facts.hf_id}" if facts.from_qwen else "the folder of them"


def _facts(name: ModelName, spec: ModelSpec) -> ModelFacts:
    facts = CATALOG[spec.like or name]
    hf_id = facts.hf_id
    if spec.source is not None:
        # A folder or a bucket has no id; a fine-tune must not answer to that of what it was tuned
        # from.
        has_id = not is_folder(spec.source) and "://" not in spec.source
        hf_id = spec.source.partition("@")[0] if has_id else (name if spec.like else hf_id)
    return replace(facts, name=name, hf_id=hf_id, context=spec.context or facts.context)


def _with_paths(cluster: Kind, base: Path) -> Kind:
    models = {name: _model_with_paths(model, base) for name, model in cluster.models.items()}
    gateway = cluster.gateway
    if gateway.keys is not None:
        gateway = gateway.model_copy(update={"keys": _absolute(gateway.keys, base)})
    weights = cluster.weights
    if weights.folder is not None:
        weights = weights.model_copy(update={"folder": _absolute(weights.folder, base)})
    found = {"models": models, "weights": weights, "gateway": gateway}
    return cluster.model_copy(update=found)


def _model_with_paths(model: ModelSpec, base: Path) -> ModelSpec:
    found = {}
    if model.source is not None and is_folder(model.source):
        found["source"] = _absolute(model.source, base)
    if model.targets_token is not None:
        found["targets_token"] = _absolute(model.targets_token, base)
    return model.model_copy(update=found)


def _absolute(name: str, base: Path) -> str:
    return str((base / Path(name).expanduser()).resolve())


def _report(error: ValidationError, kind: type[Cluster], document: Document, path: Path) -> str:
    found = problems(error, kind)
    lines = [
        _line(place, complaint, document, path)
        for place, text in found
        for complaint in text.split("\n")
    ]
    if len(lines) > MAX_PROBLEMS_SHOWN:
        more = len(lines) - MAX_PROBLEMS_SHOWN
        lines = [*lines[:MAX_PROBLEMS_SHOWN], f"{path}: and {more} more"]
    if all(place for place, _ in found):  # only the check of the whole file has no place
        lines.append(f"{path}: {MORE_MAY_FOLLOW}")
    return "\n".join(lines)


def _line(place: Place, complaint: str, document: Document, path: Path) -> str:
    """`bifocal.yaml:12: models.qwen3-8b.replicas: found 'a'; allowed: ...`"""
    if not place:  # a check of the whole file, which starts with the key itself
        named = {".".join(at): line for at, line in document.lines.items() if at}
        key = re.split(r": | ", complaint, maxsplit=1)[0]
        while key and key not in named:
            key = key.rpartition(".")[0]  # what is not written has no line; its section has
        return f"{path}:{named[key]}: {complaint}" if key else f"{path}: {complaint}"
    at = place
    while at not in document.lines:
        at = at[:-1]  # what is missing has no line; its section has
    return f"{path}:{document.lines[at]}: {'.'.join(place)}: {complaint}"
