"""What must hold before anything is started."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.config import Cluster
from deploy.local import gpus, preflight
from deploy.local.ports import free_ports, holder, is_taken
from serving.catalog import CATALOG
from serving.config import ModelSpec, Replicas
from serving.pools.engine import Hardware, Pool
from serving.values import ModelName

HOST = "127.0.0.1"


def pool(source: str, name: str = "pocket-dense", **spec: Any) -> Pool:
    model = ModelName(name)
    return Pool(model, ModelSpec(on="cpu", **spec), CATALOG[model], Hardware(cpu=True), source)


def at(port: int, **gateway: Any) -> Cluster:
    text = {
        "gpus": {"cpu": {"kind": "cpu"}},
        "models": {"pocket-dense": {"on": "cpu"}},
        "gateway": {"host": HOST, "port": port, **gateway},
    }
    return Cluster.model_validate(text)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def weights(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text("{}")
    return str(tmp_path)


def test_a_taken_port_is_named_with_its_holder(weights: str, taken: int) -> None:
    with pytest.raises(preflight.NotReady, match=rf"port {taken} .* by .*process \d+"):
        preflight.check([pool(weights)], at(taken))


def test_an_address_that_is_another_machines_is_not_called_taken(weights: str) -> None:
    with pytest.raises(preflight.NotReady, match=r"on 192\.0\.2\.1 cannot be listened at: Cannot"):
        preflight.check([pool(weights)], at(8000, host="192.0.2.1", keys="k.yaml"))


def test_a_free_port_passes(weights: str) -> None:
    preflight.check([pool(weights)], at(free_ports(1)[0]))


def test_free_ports_are_free_and_different() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20
    assert not any(is_taken(HOST, port) for port in found)
    assert holder(found[0]) is None


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(preflight.NotReady, match=r"models.pocket-dense: .*config.json"):
        preflight.check([pool(str(tmp_path))], at(free_ports(1)[0]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "gateway.keys: .*k.yaml is not there yet; `bifocal key", id="none"),
        pytest.param("- {team: a}", "gateway.keys: .*k.yaml:1: team and sha256", id="broken"),
    ],
)
def test_keys_are_read_before_anything_starts(
    tmp_path: Path, weights: str, text: str | None, said: str
) -> None:
    path = tmp_path / "k.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(preflight.NotReady, match=said):
        preflight.check([pool(weights)], at(0, keys=str(path)))
    with pytest.raises(preflight.NotReady, match=said):
        preflight.check_more([pool(weights)], [pool(weights)], at(0, keys=str(path)))


@pytest.mark.parametrize("said", [None, "no /dev/nvidia*"])
def test_models_on_gpus_want_a_machine_that_has_one(
    weights: str, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    monkeypatch.setattr(gpus, "why_none", lambda: said)
    on_gpu = replace(pool(weights), hardware=Hardware.of("h100-80g"))
    preflight.check([pool(weights)], at(0))
    if said is None:
        preflight.check([on_gpu], at(0))
        return
    with pytest.raises(preflight.NotReady, match=r"models.pocket-dense: on GPUs .*no /dev/nvidia"):
        preflight.check([on_gpu], at(0))


def test_every_problem_is_told_at_once(tmp_path: Path, taken: int) -> None:
    huge = pool(str(tmp_path), "qwen3-235b-a22b")
    with pytest.raises(preflight.NotReady) as caught:
        preflight.check([huge], at(taken))
    text = str(caught.value)
    assert all(word in text for word in ("port", "config.json", "memory"))


@pytest.mark.parametrize(
    ("pools", "gib"),
    [
        pytest.param([pool("x"), pool("x", "pocket-moe")], 7, id="two pocket pools"),
        pytest.param([pool("x", replicas=3)], 9.5, id="three replicas"),
        pytest.param([pool("x", replicas=Replicas(min=1, max=9))], 4.5, id="the fewest replicas"),
        pytest.param([pool("x", "qwen3-0.6b")], 10.6, id="with weights and cache"),
    ],
)
def test_memory_is_added_up(pools: list[Pool], gib: float) -> None:
    assert preflight.needed_gib(pools) == pytest.approx(gib, abs=0.1)
