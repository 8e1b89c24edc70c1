"""A real Prometheus finds the gateway and, by it, each replica that there is."""

import asyncio
from pathlib import Path

import yaml

from ops.prometheus import configuration
from serving.gateway import FixedSource
from tests.e2e.conftest import bifocal, until
from tests.serving.gateway.peers import DENSE, Peer, gateway, said, serving
from tests.serving.gateway.test_app import KEY, KEYS
from tests.watch.stack import prometheus, watch


@watch
async def test_prometheus_finds_each_replica_by_the_gateways_key(tmp_path: Path) -> None:
    (key := tmp_path / "key").write_text(KEY)
    one, two = Peer([said()]), Peer([said()], page=b"vllm:num_requests_running 5\n")
    async with serving(one) as first, serving(two) as second:
        source = FixedSource({DENSE: [first, second]})
        async with gateway(sources=[source], keys=KEYS) as url:
            seen = await asyncio.to_thread(_seen, tmp_path, url, key)
    assert seen == {(DENSE, first): 3.0, (DENSE, second): 5.0}


def _seen(folder: Path, url: str, key: Path) -> dict[tuple[str, str], float]:
    with prometheus(folder, url, key_file=key, every_s=0.2) as watching:
        metric = "vllm:num_requests_running"
        until(lambda: len(watching.now(metric)) == 2, what="both replicas", limit_s=30)
        found = {
            (labels["model"], labels["replica"]): value
            for labels, value in ((dict(k), v) for k, v in watching.now(metric).items())
        }
        assert {target["health"] for target in watching.targets()} == {"up"}
    return found


def test_a_configuration_names_the_gateway_alone() -> None:
    text = yaml.safe_dump(configuration("https://llm.example.org"))
    assert "https://llm.example.org/metrics/targets" in text
    assert "credentials" not in text
    assert "alerting" not in text
    assert "bifocal-ray" not in text


def test_the_command_prints_it_with_rays_agents(tmp_path: Path) -> None:
    told = bifocal(tmp_path, "config", "prometheus", "--ray", "127.0.0.1:9", "--ray", "127.0.0.1:8")
    assert yaml.safe_load(told.stdout) == configuration(
        "http://127.0.0.1:8000", ray=["127.0.0.1:9", "127.0.0.1:8"]
    )


def test_rays_agents_are_read_where_they_are_named() -> None:
    (job,) = configuration("http://one", ray=["127.0.0.1:9"])["scrape_configs"][2:]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9"]}]
