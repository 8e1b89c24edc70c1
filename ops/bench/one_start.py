"""One cold start of a pool in a Ray cluster of its own, timed from `serve.run` to ready.

`python -m ops.bench.one_start TASK RESULT`: TASK is JSON, and so is what is written to RESULT. The
cluster is up before the clock starts. Direct ingress throughout: `plain` is Ray Serve LLM's own
deployment, `pool` the product's. The first chat is greedy, so all must answer it alike.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from ops.bench.default_ingress import LOOPBACK, llm_config, start_ray
from serving.pools.start import marks, steps

NAME: Final = "start"
PREFIX: Final = "/pools/start"
CPUS: Final = 2
"""One for the engine's worker. Ray starts a process for each beforehand, which takes time from what
is measured."""
TOKENS: Final = 24
ANSWER_S: Final = 120.0


def main(task: dict[str, Any]) -> dict[str, Any]:
    # Imported here, since the tests of this package run where Ray is not installed.
    import ray  # noqa: PLC0415
    from ray import serve  # noqa: PLC0415

    start_ray(task, CPUS)
    began = time.time()
    serve.run(_pool(task) if task["pool"] else _plain(task), name=NAME, route_prefix=PREFIX)
    ready = time.time()
    said = _ask(task)
    found = {
        "ready_s": ready - began,
        "answered_s": time.time() - began,
        "said": said,
        "steps": [asdict(took) for took in steps(marks(_logs(task)), began)],
    }
    ray.shutdown()
    return found


def _plain(task: dict[str, Any]) -> Any:
    from ray import serve  # noqa: PLC0415 - as above
    from ray.serve.llm import build_llm_deployment  # noqa: PLC0415
    from ray.serve.llm.deployment import LLMServer  # noqa: PLC0415

    return build_llm_deployment(llm_config(task), deployment_cls=serve.ingress()(LLMServer))


def _pool(task: dict[str, Any]) -> Any:
    from serving.pools.app import PoolArgs, build  # noqa: PLC0415 - as above

    options = {"num_cpus": 0, "runtime_env": {"env_vars": task["environment"]}}
    deployment = {**task["pool"]["deployment"], "ray_actor_options": options}
    return build(PoolArgs(**{**task["pool"], "deployment": deployment}))


def _ask(task: dict[str, Any]) -> str:
    """Through Serve's own proxy, which any of them has."""
    body = {
        "model": task["model"],
        "messages": [{"role": "user", "content": "What is 12 + 7?"}],
        "max_tokens": TOKENS,
        "temperature": 0.0,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    headers = {"content-type": "application/json", "authorization": f"Bearer {task['token']}"}
    url = f"http://{LOOPBACK}:{task['port']}{PREFIX}/v1/chat/completions"
    request = Request(url, json.dumps(body).encode(), headers)
    with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - loopback
        return str(json.load(answer)["choices"][0]["message"]["content"])


def _logs(task: dict[str, Any]) -> str:
    """The only replica's is among them."""
    folder = Path(task["folder"]) / "session_latest" / "logs"
    return "\n".join(file.read_text(errors="replace") for file in folder.glob("worker-*.err"))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(sys.argv[1]))))
