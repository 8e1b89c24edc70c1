"""What the bench is handed: a gateway with a key before any upstream, and the pool's own engine."""

import time
from pathlib import Path

from deploy.bench import Subject
from deploy.config import Cluster, load
from deploy.keys import read_keys
from serving.values import ModelName

SUBJECT = Subject(ModelName("pocket-dense"), "/weights")


def test_a_subject_is_a_cluster_file_of_one_pool() -> None:
    cluster = Cluster.model_validate(SUBJECT.cluster({"port": 0}))
    assert list(cluster.models) == ["pocket-dense"]
    assert cluster.models[ModelName("pocket-dense")].source == "/weights"


def test_the_engine_is_the_pools_without_its_door() -> None:
    engine = SUBJECT.product("/cache").engine
    assert (engine.model, engine.source) == ("pocket-dense", "/weights")
    assert "middleware" not in engine.arguments
    assert engine.arguments["enforce_eager"] is True
    assert engine.environment["OMP_NUM_THREADS"] == "1"


def test_the_gateway_before_an_upstream_asks_for_a_key(tmp_path: Path) -> None:
    front = SUBJECT.product("/cache").gateway_before("http://127.0.0.1:9", tmp_path)
    file = Path(front.command[front.command.index("--config") + 1])
    cluster = load(file)
    assert cluster.models[ModelName("pocket-dense")].targets == ("http://127.0.0.1:9",)
    assert front.url == f"http://127.0.0.1:{cluster.gateway.port}"
    assert cluster.gateway.keys is not None
    secret = front.headers["authorization"].removeprefix("Bearer ")
    assert read_keys(Path(cluster.gateway.keys)).record_of(secret, time.time()).team == "bench"
