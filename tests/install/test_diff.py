"""`bifocal diff` with the real Helm: files of values, and a release that runs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.install.helm import CHART, PROFILES, Helm, Manifest
from tests.install.server import ApiServer

PROFILE = {path.stem: path for path in PROFILES}
MIXED: Manifest = yaml.safe_load(PROFILE["mixed"].read_text())


@pytest.fixture
def diff(assets: Path, tmp_path: Path) -> Any:
    def run(*arguments: object, kubeconfig: Path | None = None) -> tuple[int, dict[str, Any]]:
        env = {
            **os.environ,
            "PATH": f"{assets}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "KUBECONFIG": str(kubeconfig or ""),
            "PYTHONPATH": str(CHART.parents[1]),
        }
        for name in ("CACHE", "CONFIG", "DATA"):
            env[f"HELM_{name}_HOME"] = str(tmp_path / name.lower())
        command = [sys.executable, "-m", "deploy.cli", "diff", *map(str, arguments), "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else {"told": done.stderr}

    return run


def file(folder: Path, name: str, **more: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump({**MIXED, **more}))
    return path


def with_group(name: str, **more: Any) -> dict[str, Any]:
    return {**MIXED["gpus"], name: {**MIXED["gpus"][name], **more}}


def with_model(name: str, **more: Any) -> dict[str, Any]:
    return {**MIXED["models"], name: {**MIXED["models"][name], **more}}


def kinds(found: dict[str, Any]) -> dict[str, str]:
    return {each["what"]: each["change"] for each in found["changes"]}


def test_each_way_of_a_change_is_told_of_rendered_values(diff: Any, tmp_path: Path) -> None:
    old = file(tmp_path, "old.yaml")
    assert diff(old, old) == (0, {"same": True, "away": False, "refused": False, "changes": []})

    one = file(tmp_path, "one.yaml", images={"gpu": {"name": "bifocal-gpu", "tag": "2"}})
    code, found = diff(old, one)
    assert code == 1
    assert kinds(found) == {"group h100x8": "recreate", "group l40s": "recreate"}
    (large, _) = found["changes"]
    assert (large["awaySeconds"], large["drainsSeconds"]) == (540, 3630)

    code, found = diff(
        old, file(tmp_path, "scaled.yaml", models=with_model("qwen3-8b", replicas=2))
    )
    assert code == 0
    assert kinds(found)["pool qwen3-8b"] == "one at a time", "bounds are a policy, which is code"

    engine = {"engine": {"max_num_seqs": 64}}
    code, found = diff(old, file(tmp_path, "small.yaml", models=with_model("qwen3-0.6b", **engine)))
    assert kinds(found)["pool qwen3-0.6b"] in ("announced", "surge")

    tolerant = with_group("l40s", tolerations=[{"key": "spot"}])
    code, found = diff(old, file(tmp_path, "tolerant.yaml", gpus=tolerant))
    assert (code, kinds(found)) == (0, {"group l40s": "later"})

    slower = file(tmp_path, "gateway.yaml", gateway={"limits": {"concurrentRequests": 9}})
    assert kinds(diff(old, slower)[1]) == {"gateway": "rolled"}


def test_who_is_left_without_an_answer_is_told_of_rendered_values(
    diff: Any, tmp_path: Path
) -> None:
    old = file(tmp_path, "old.yaml")
    renamed = tmp_path / "renamed.yaml"
    renamed.write_text(
        PROFILE["mixed"].read_text().replace("l40s:", "ada:").replace("on: l40s", "on: ada")
    )
    code, found = diff(old, renamed)
    assert (code, found["away"]) == (1, True)
    assert {what for what, kind in kinds(found).items() if kind == "moved"} == {
        "pool qwen3-8b",
        "pool qwen3-0.6b",
    }

    out = file(tmp_path, "out.yaml", expose={"ingress": {"host": "llm.example.org"}})
    code, found = diff(out, old)
    assert (code, kinds(found)["host llm.example.org"]) == (1, "removed")

    code, found = diff(old, file(tmp_path, "scaled.yaml", gateway={"maxReplicas": 4}))
    assert (code, "from 2 pods to 1 for some 15 s" in found["changes"][0]["says"]) == (0, True)


def test_another_number_of_replicas_may_be_another_layout(diff: Any, tmp_path: Path) -> None:
    alone = {"gpus": {"l40s": MIXED["gpus"]["l40s"]}}
    two, one = (
        file(tmp_path, f"{count}.yaml", models={"qwen3-8b": {"on": "l40s", "replicas": count}},
             **alone)
        for count in (2, 1)
    )  # fmt: skip
    code, found = diff(two, one)
    assert (code, kinds(found)["group l40s"]) == (1, "recreate")
    assert found["changes"][0]["because"][-1].startswith(
        "pool qwen3-8b: layout: TP 1 -> PP 3 (models.qwen3-8b.layout: {tensor: 1}"
    )


def test_a_second_cluster_without_gpus_is_refused_with_the_arithmetic(
    diff: Any, tmp_path: Path
) -> None:
    blue = {"upgrade": {"strategy": "blueGreen"}}
    images = {"gpu": {"name": "bifocal-gpu", "tag": "2"}}
    models = with_model("qwen3-8b", replicas=1)
    for nodes, code, kind in ((3, 3, "refused"), (4, 1, "blueGreen")):
        gpus = with_group("l40s", nodes=nodes, **blue)
        old = file(tmp_path, "old.yaml", gpus=gpus, models=models)
        new = file(tmp_path, "new.yaml", gpus=gpus, models=models, images=images)
        found = diff(old, new)
        assert found[0] == code
        assert kinds(found[1])["group l40s"] == kind
    assert "needs 2 GPUs (2 pods x 1), and 2 are free" in found[1]["changes"][1]["says"]


def test_a_release_that_runs_is_compared_with_what_would_come(
    helm: Helm, diff: Any, server: ApiServer, tmp_path: Path
) -> None:
    there = replace(helm, kubeconfig=server.kubeconfig, home=tmp_path)
    where = ("--namespace", "compared")
    pocket = PROFILE["pocket"]
    there("install", "llm", CHART, *there.values(pocket), *where, "--create-namespace")
    try:
        given = ("--release", "llm", *where, "--context", "test")
        assert diff(pocket, *given, kubeconfig=server.kubeconfig)[1]["same"]
        more = yaml.safe_load(pocket.read_text())
        more["models"]["pocket-dense"]["replicas"] = 2
        new = tmp_path / "more.yaml"
        new.write_text(yaml.safe_dump(more))
        code, found = diff(new, *given, kubeconfig=server.kubeconfig)
        assert (code, kinds(found)) == (0, {"pool pocket-dense": "numbers", "gateway": "rolled"})
        code, found = diff(new, "--release", "none", *where, kubeconfig=server.kubeconfig)
        assert code == 4, found
        away = (new, "--release", "llm", "--context", "elsewhere")
        code, found = diff(*away, kubeconfig=server.kubeconfig)
        assert (code, "there are: test" in found["told"]) == (2, True), found
    finally:
        there("uninstall", "llm", *where)


def test_values_that_helm_refuses_are_bad_input(diff: Any, tmp_path: Path) -> None:
    old = file(tmp_path, "old.yaml")
    code, found = diff(old, file(tmp_path, "bad.yaml", router={"fast": "none"}))
    assert code == 2
    assert 'router.fast: found "none"' in found["told"]
