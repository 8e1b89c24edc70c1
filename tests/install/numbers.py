"""The chart in numbers, beside those of the field, and the fifteen properties with their tests.

KUBEBUILDER_ASSETS=... python -m tests.install.numbers > docs/chart.md

Counted from the chart's files, from what the real Helm renders, and from what a real API server
keeps of a release.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.install.conftest import VARIABLE
from tests.install.field import HAS, PARTS, READ, SIZES
from tests.install.helm import CHART, PROFILES, Helm, Manifest, of_kind, pods, ray_groups
from tests.install.lives import Row, life
from tests.install.properties import PROPERTIES
from tests.install.server import ApiServer

PAGE: Final = CHART.parents[1] / "docs" / "chart.md"
INSTALL: Final = PAGE.with_name("install.md")
MIXED: Final = next(path for path in PROFILES if path.stem == "mixed")
ON: Final[Manifest] = {
    "gateway": {"maxReplicas": 4},
    "head": {"state": {"redis": {"address": "redis://redis:6379"}}},
    "expose": {"ingress": {"host": "llm.example.org"}},
}
"""What is counted with."""

HEAD: Final = """# The chart in numbers

Made by `python -m tests.install.numbers > docs/chart.md` (with `KUBEBUILDER_ASSETS` set, as `make
test-install` wants it); a test keeps it so. Ours is counted here: from the chart's files, from what
Helm renders of the profile `mixed` (the 235B model on two nodes, two small ones), and from what an
API server keeps. The others' were counted once, in autumn 2026, at the commits named below.

"""


def page(helm: Helm, lived: list[Row]) -> str:
    rendered = helm.template(MIXED, ON)
    return HEAD + "\n".join(
        [
            *_table(
                "Size",
                ("chart", "templates: lines / files", "longest", "schema: lines (closed objects)",
                 "values.yaml", "these models on these GPUs", "tested by"),
                [("**bifocal**", *_size()), *((name, *row) for name, row in SIZES.items())],
            ),
            f"A user writes {_lines_to_write()} lines for the 235B model on two nodes and two "
            "small ones ([install](install.md)).",
            "",
            *_table(
                "What is in the templates",
                ("", "**bifocal**", *HAS),
                [
                    (part, ours, *(row[at] for row in HAS.values()))
                    for at, (part, ours) in enumerate(zip(PARTS, _has(rendered), strict=True))
                ],
            ),
            _restricted(rendered),
            "",
            "Read at: " + "; ".join(READ.values()) + ".",
            "",
            *_table(
                "The fifteen properties that none of them has",
                ("", "property", "how", "tests"),
                [_property(number, each) for number, each in enumerate(PROPERTIES, 1)],
            ),
            *_table(
                "Objects of a release",
                ("kind", "install", "changed by another number of replicas", "rollback",
                 "uninstall leaves"),
                [tuple(map(str, row)) for row in lived],
            ),
            "On a real API server, with the profile `pocket` and a claim for weights.",
            "",
        ]
    )  # fmt: skip


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"## {title}", "", *("| " + " | ".join(line) + " |" for line in lines), ""]


def _size() -> tuple[str, ...]:
    templates = [path for path in (CHART / "templates").rglob("*") if path.is_file()]
    lines = {path: len(path.read_text().splitlines()) for path in templates}
    schema = (CHART / "values.schema.json").read_text()
    closed = sum(1 for part in _objects(json.loads(schema)) if _is_closed(part))
    values = (CHART / "values.yaml").read_text().splitlines()
    said = "names under `models`, groups under `gpus`; the planner's table does the rest"
    return (
        f"{sum(lines.values())} / {len(lines)}",
        str(max(lines.values())),
        f"{len(schema.splitlines())} ({closed})",
        str(len(values)),
        said,
        "unit tests; schemas of Kubernetes 1.30 and 1.37; a real API server; pods run as processes",
    )


def _objects(schema: Any) -> list[dict[str, Any]]:
    inner = schema.values() if isinstance(schema, dict) else schema
    found = [schema] if isinstance(schema, dict) else []
    for each in inner if isinstance(schema, dict | list) else ():
        found += _objects(each)
    return found


def _is_closed(part: dict[str, Any]) -> bool:
    return part.get("additionalProperties") is False


def _lines_to_write() -> int:
    (values,) = re.findall(r"cat > values.yaml <<'END'\n(.*?)END\n", INSTALL.read_text(), re.S)
    return len(values.splitlines())


def _has(rendered: list[Manifest]) -> tuple[str, ...]:
    """In the order of PARTS."""
    (deployment,) = of_kind(rendered, "Deployment")
    gateway = deployment["spec"]["template"]["spec"]
    (container,) = gateway["containers"]
    rays = [
        group["template"]["spec"]
        for service in of_kind(rendered, "RayService")
        for group in ray_groups(service)
    ]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    on_ray = {
        "/".join("y" if probe in pod["containers"][0] else "-" for probe in probes) for pod in rays
    }
    policies = [
        policy["metadata"]["name"].removeprefix("test-bifocal-")
        for policy in of_kind(rendered, "NetworkPolicy")
    ]
    jobs = [job["metadata"]["name"] for job in of_kind(rendered, "Job")]
    monitored = [
        each["spec"]["selector"]["matchLabels"] for each in of_kind(rendered, "PodMonitor")
    ]
    grace = {pod["terminationGracePeriodSeconds"] for pod in (gateway, *rays)}
    safe, every = _read_only(rendered)
    return (
        f"{len(of_kind(rendered, 'PodDisruptionBudget'))}: gateway, groups of more than one node",
        f"{len(policies)}: {', '.join(policies)}",
        "/".join("y" if probe in container else "-" for probe in probes)
        + f"; on Ray {', '.join(sorted(on_ray))}",
        "y" if "preStop" in container["lifecycle"] else "n",
        f"from `longestAnswer`: {', '.join(f'{each} s' for each in sorted(grace))}",
        f"{len(monitored)}: gateway, pools",
        _watched(rendered),
        f"{sum('weights' in name for name in jobs)}: one a model",
        "gateway" if "topologySpreadConstraints" in gateway else "n",
        f"{safe} of {every} containers",
    )


def _watched(rendered: list[Manifest]) -> str:
    rules = len(of_kind(rendered, "PrometheusRule"))
    boards = [
        each
        for each in of_kind(rendered, "ConfigMap")
        if "grafana_dashboard" in each["metadata"]["labels"]
    ]
    return f"{rules}, {len(boards)}" if rules or boards else "their place; come later"


def _read_only(rendered: list[Manifest]) -> tuple[int, int]:
    found = [each for pod in pods(rendered).values() for each in pod["containers"]]
    return sum(each["securityContext"]["readOnlyRootFilesystem"] for each in found), len(found)


def _restricted(rendered: list[Manifest]) -> str:
    found = [
        (pod["securityContext"], each["securityContext"])
        for pod in pods(rendered).values()
        for each in pod["containers"]
    ]
    restricted = sum(
        pod["runAsNonRoot"]
        and pod["seccompProfile"]["type"] == "RuntimeDefault"
        and not own["allowPrivilegeEscalation"]
        and own["capabilities"] == {"drop": ["ALL"]}
        for pod, own in found
    )
    return f'{restricted} of {len(found)} containers pass Pod Security "restricted".'


def _property(number: int, each: Any) -> tuple[str, ...]:
    tests = "<br>".join(f"`{name}`" for name in each.tests)
    missing = [f"**Not yet:** {each.lacks}"] if each.lacks else []
    return (str(number), each.what, ". ".join([*filter(None, [each.how]), *missing]), tests)


def main() -> None:
    assets = Path(os.environ[VARIABLE])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        helm = Helm(assets / "helm", home)
        (home / "server").mkdir()
        with ApiServer(assets, home / "server") as server:
            for crd in sorted((assets / "crds").glob("*.yaml")):
                server.define(crd)
            sys.stdout.write(page(helm, life(helm, server)))


if __name__ == "__main__":
    main()
