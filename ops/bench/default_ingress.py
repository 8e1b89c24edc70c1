"""Ray Serve LLM as it comes: `build_openai_app`, with its ingress and proxy on each token's way.

`python -m ops.bench.default_ingress '{"model": ..., "source": ..., "port": ...}'` starts a Ray
cluster of its own on loopback, which ends with it. The engine is given the same arguments and
environment as the other contenders', without Bifocal's plugins of vLLM: what Ray Serve LLM does by
default (an access log, the engine's metrics through Ray's agent) it does here.
"""

import json
import signal
import sys
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"
OBJECT_STORE_BYTES: Final = 128 * 1024**2
"""Nothing goes through it."""
LOGICAL_CPUS: Final = 8
"""Ray's bookkeeping, not the machine's cores: room for the replica, its engine and the ingress."""


def start_ray(task: dict[str, Any], cpus: int) -> None:
    """A Ray cluster on loopback that ends with this process, and Serve in it at the task's port."""
    # Imported here, since the tests of this package run where Ray is not installed.
    import ray  # noqa: PLC0415
    from ray import serve  # noqa: PLC0415

    ray.init(
        address="local",
        num_cpus=cpus,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        _node_ip_address=LOOPBACK,
        _temp_dir=task["folder"],
    )
    at = {"host": LOOPBACK, "port": task["port"]}
    serve.start(proxy_location="HeadOnly", http_options=at)


def main(task: dict[str, Any]) -> None:
    import ray  # noqa: PLC0415 - as above
    from ray import serve  # noqa: PLC0415
    from ray.serve.llm import build_openai_app  # noqa: PLC0415

    start_ray(task, LOGICAL_CPUS)
    application = build_openai_app({"llm_configs": [llm_config(task)]})
    serve.run(application, name="default-ingress", route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()


def llm_config(task: dict[str, Any]) -> Any:
    from ray.serve.llm import LLMConfig  # noqa: PLC0415 - as above

    return LLMConfig(
        model_loading_config={"model_id": task["model"], "model_source": task["source"]},
        engine_kwargs=task["arguments"],
        runtime_env={"env_vars": task["environment"]},
        deployment_config={
            "num_replicas": 1,
            "max_ongoing_requests": 1000,
            "ray_actor_options": {"num_cpus": 0},
        },
        accelerator_config={"kind": "cpu"},
        placement_group_config={"bundle_per_worker": {"CPU": 1}},
    )


if __name__ == "__main__":
    # Blocked before any thread starts, so that the wait at the end is who gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(json.loads(sys.argv[1]))
