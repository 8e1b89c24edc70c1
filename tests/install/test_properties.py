"""The fifteen properties: each named test is there and runs, and those that no other file shows."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from deploy.chart.table import PULL_BYTES_PER_S
from serving.catalog import CATALOG
from serving.gateway.loading import BYTES_PER_WEIGHT, READ_BYTES_PER_S
from serving.values import ModelName
from tests.install import numbers
from tests.install.conftest import needed
from tests.install.helm import CHART, PROFILES, Helm, Manifest, of_kind, pods, ray_groups
from tests.install.lives import life
from tests.install.properties import PROPERTIES
from tests.install.server import ApiServer

ROOT = CHART.parents[1]
PROFILE = {path.stem: path for path in PROFILES}
each_profile = pytest.mark.parametrize("profile", PROFILE)
REDIS = {"head": {"state": {"redis": {"address": "redis://redis:6379"}}}}


def test_the_page_is_current(helm: Helm, server: ApiServer) -> None:
    assert numbers.PAGE.read_text() == numbers.page(helm, life(helm, server)), numbers.HEAD


def test_every_test_that_is_named_is_there_and_no_mark_skips_it() -> None:
    """What else skips one is a program that is missing: in CI all of them are there."""
    needed("helm", "etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "crds", "python")
    named = sorted({name for each in PROPERTIES for name in each.tests})
    command = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    more = ("-p", "tests.install.skipped", "-o", "addopts=")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *more, *named], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "skipped: none" in done.stdout, done.stdout[-2000:]


def test_each_property_has_a_test_or_says_what_is_missing() -> None:
    assert len(PROPERTIES) == 15
    assert all(each.tests or each.lacks for each in PROPERTIES)


@each_profile
def test_a_rollout_waits_for_the_bytes_of_the_pool_that_is_there_first(
    helm: Helm, profile: str
) -> None:
    """They share the way to the hub, so the first may take as long as all of its size together."""
    waits, found = patience(helm.template(PROFILE[profile]))
    starts = []
    for application in found:
        facts = CATALOG[ModelName(application["name"])]
        precision = "fp8" if "FP8" in str(application["args"]) else "bf16"
        size = facts.parameters * BYTES_PER_WEIGHT[precision]
        pulled = size * len(found) if "weights" in application["args"] else 0
        starts.append(size / READ_BYTES_PER_S + pulled / PULL_BYTES_PER_S)
    assert min(starts) + 600 < waits < min(starts) + 600 + 120


def patience(rendered: list[Manifest]) -> tuple[int, list[Manifest]]:
    """Seconds of a roll-out, and the applications of which one must answer in them."""
    (deployment,) = of_kind(rendered, "Deployment")
    texts = [service["spec"]["serveConfigV2"] for service in of_kind(rendered, "RayService")]
    applications = [each for text in texts for each in json.loads(text)["applications"]]
    return deployment["spec"]["progressDeadlineSeconds"], applications


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"weights": {"offline": True}}, id="offline"),
        pytest.param({"models": {"qwen3-235b-a22b": {"source": "/models/big"}}}, id="a folder"),
    ],
)
def test_a_rollout_waits_for_no_download_where_there_is_none(helm: Helm, given: Manifest) -> None:
    size = CATALOG[ModelName("qwen3-235b-a22b")].parameters * BYTES_PER_WEIGHT["bf16"]
    waits, _ = patience(helm.template(PROFILE["h100x8x2"], given))
    assert 0 < waits - 600 - size / READ_BYTES_PER_S < 120
    assert patience(helm.template(PROFILE["h100x8x2"]))[0] - waits > size / PULL_BYTES_PER_S - 2


def test_a_larger_model_alone_is_waited_for_longer(helm: Helm) -> None:
    def waits(models: Manifest) -> int:
        given = {"gpus": {"big": {"kind": "h100-80g", "perNode": 8}}, "models": models}
        return patience(helm.template(given))[0]

    large = {"qwen3-235b-a22b": {"on": "big", "precision": "fp8"}}
    small = {"qwen3-8b": {"on": "big"}}
    more = CATALOG[ModelName("qwen3-235b-a22b")].parameters * 1
    more -= CATALOG[ModelName("qwen3-8b")].parameters * 2
    longer = more / READ_BYTES_PER_S + more / PULL_BYTES_PER_S
    assert math.isclose(waits(large) - waits(small), longer, abs_tol=3)


@each_profile
def test_no_probe_ends_a_pod_whose_model_is_loading(helm: Helm, profile: str) -> None:
    """They ask Ray's agent on its node, which answers while engines load; KubeRay's own would ask
    the port of Serve."""
    for service in of_kind(helm.template(PROFILE[profile]), "RayService"):
        for group in ray_groups(service):
            (container,) = group["template"]["spec"]["containers"]
            assert "startupProbe" not in container
            for probe in ("livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"] == {"path": "/api/healthz", "port": 52365}


@pytest.mark.parametrize("profile", ["h100x8", "h100x8x2", "mixed"])
def test_a_job_pulls_what_the_pool_will_ask_for(helm: Helm, profile: str) -> None:
    rendered = helm.template(PROFILE[profile])
    wanted = {
        application["args"]["weights"]["source"]
        for service in of_kind(rendered, "RayService")
        for application in json.loads(service["spec"]["serveConfigV2"])["applications"]
    }
    pulled = {}
    for job in of_kind(rendered, "Job"):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        if container["command"][:3] == ["bifocal", "weights", "pull"]:
            pulled[container["command"][3]] = job["spec"]["template"]["spec"]["volumes"]
    assert pulled.keys() == wanted
    (service, *_) = of_kind(rendered, "RayService")
    volumes_of_a_pool = ray_groups(service)[1]["template"]["spec"]["volumes"]
    (weights,) = [volume for volume in volumes_of_a_pool if volume["name"] == "weights"]
    assert all(weights in volumes for volumes in pulled.values()), "onto the pool's own volume"


DNS = {"kube-system 53", "kube-system 5353"}


def test_a_pod_reaches_what_it_must_and_nothing_else(helm: Helm) -> None:
    """DNS for all; the hub for what pulls weights; the API server for Jobs that change objects."""
    closed = {"network": {"weights": [], "apiServer": "10.96.0.1/32"}}
    found = egress(helm.template(PROFILE["mixed"], closed))
    pools = {"pools 8265", "pools 30000-31000"}
    assert found.pop("gateway") - {"gateway 8000"} == {*DNS, *pools}
    assert found.pop("pools") == {*DNS, "pools any"}
    assert found.pop("weights") == DNS
    assert found.pop("test") == {*DNS, "gateway 8000"}
    assert "secrets" in found
    for job, to in found.items():
        assert to == {*DNS, "10.96.0.1/32 443", "10.96.0.1/32 6443"}, job
    opened = egress(helm.template(PROFILE["mixed"], REDIS))
    assert opened["weights"] == {*DNS, "0.0.0.0/0 443"}
    assert opened["pools"] == {*DNS, "pools any", "0.0.0.0/0 443", "any 6379"}


def egress(rendered: list[Manifest]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for policy in of_kind(rendered, "NetworkPolicy"):
        to = found.setdefault(policy["metadata"]["name"].removeprefix("test-bifocal-"), set())
        for rule in policy["spec"]["egress"]:
            ports = {_port(each) for each in rule.get("ports", ())} or {"any"}
            to |= {f"{_peer(peer)} {port}" for peer in rule.get("to", [{}]) for port in ports}
    return found


def _peer(peer: Manifest) -> str:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    labels = [value for each in peer.values() for value in sorted(each["matchLabels"].items())]
    return str(labels[0][1]) if labels else "any"


def _port(port: Manifest) -> str:
    return f"{port['port']}-{port['endPort']}" if "endPort" in port else str(port["port"])


def test_a_second_cluster_is_built_only_where_it_is_asked_for(helm: Helm) -> None:
    given = {"gpus": {"l40s": {"upgrade": {"strategy": "blueGreen"}}}}
    strategies = {
        service["metadata"]["name"]: service["spec"]["upgradeStrategy"]["type"]
        for service in of_kind(helm.template(PROFILE["mixed"], given), "RayService")
    }
    assert strategies == {"test-bifocal-l40s": "NewCluster", "test-bifocal-h100x8": "None"}


@pytest.mark.parametrize("named", [("keys",), ("tokens",), ("keys", "tokens")])
def test_secrets_that_are_named_are_used_and_none_is_made(
    helm: Helm, named: tuple[str, ...]
) -> None:
    """An ExternalSecret's target is one like any other."""
    given = {"secrets": {name: f"our-{name}" for name in named}}
    rendered = helm.template(PROFILE["pocket"], given)
    made = {secret["metadata"]["name"] for secret in of_kind(rendered, "Secret")}
    assert made == {f"test-bifocal-{name}" for name in {"keys", "tokens"} - set(named)}
    filled = [job for job in of_kind(rendered, "Job") if "secrets" in job["metadata"]["name"]]
    assert bool(filled) == bool(made)
    roles = [role for role in of_kind(rendered, "Role") if "secrets" in role["metadata"]["name"]]
    assert bool(roles) == bool(made)
    text = json.dumps(pods(rendered) | {"ray": of_kind(rendered, "RayService")})
    for name in named:
        assert f"our-{name}" in text
        assert f"test-bifocal-{name}" not in text


def test_the_notes_say_each_pools_layout_and_the_command_that_proves_it(
    helm: Helm, server: ApiServer
) -> None:
    there = replace(helm, kubeconfig=server.kubeconfig)
    here = ("--namespace", "notes")
    there("install", "llm", CHART, *there.values(PROFILE["mixed"]), *here, "--create-namespace")
    notes = there("get", "notes", "llm", *here)
    there("uninstall", "llm", *here)
    assert "qwen3-8b: 1 x (TP 1, PP 1, DP 1)" in notes
    said = re.findall(r"(\S+): 1 x \((.*)\)\n +bifocal (plan .*)\n", notes)
    assert {name: layout for name, layout, _ in said} == {
        "qwen3-235b-a22b": "TP 2, PP 2, DP 4, EP",
        "qwen3-8b": "TP 1, PP 1, DP 1",
        "qwen3-0.6b": "TP 1, PP 1, DP 1",
    }
    for _, layout, words in said:
        command = (sys.executable, "-m", "deploy.cli", *words.split(), "--json")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (first, *_) = json.loads(done.stdout)["layouts"]
        sizes = {
            name: first[f"{key}_parallel_size"]
            for name, key in (("TP", "tensor"), ("PP", "pipeline"), ("DP", "data"))
        }
        proven = ", ".join(f"{name} {size}" for name, size in sizes.items())
        assert proven + (", EP" if first["expert_parallel"] else "") == layout
