"""The gateway of a release is started as its Deployment has it: command, configuration, keys and
variables as the API server stored them, a process of this machine instead of a pod.
"""

import base64
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.chart.secrets import MAKERS, Api, fill
from tests.install.helm import CHART, PROFILES, Helm
from tests.install.server import ApiServer

POCKET = next(path for path in PROFILES if path.stem == "pocket")
NAMESPACE = "starts"


def test_the_gateway_starts_as_it_is_stored(helm: Helm, server: ApiServer, tmp_path: Path) -> None:
    there = replace(helm, kubeconfig=server.kubeconfig)
    where = ("--namespace", NAMESPACE, "--create-namespace")
    there("install", "llm", CHART, *there.values(POCKET), *where)
    token = server.token_of(NAMESPACE, "llm-bifocal-secrets")
    api = Api("127.0.0.1", server.port, token, NAMESPACE, str(server.authority))
    for kind, make in MAKERS.items():
        fill(api, f"llm-bifocal-{kind}", make, time.time())
    pod = get(server, "apis/apps/v1", "deployments/llm-bifocal-gateway")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    port = free_port()
    folder = mounted(server, pod, container, tmp_path)
    command = [text.replace("/etc/bifocal", str(folder)) for text in container["command"][1:]]
    more = ("--host", "127.0.0.1", "--port", str(port))
    env = variables(server, container) | {"PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "-m", "deploy.cli", *command, *more], env=env)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url + container["startupProbe"]["httpGet"]["path"])
        assert status(url + container["readinessProbe"]["httpGet"]["path"]) == 503, (
            "no pool is there"
        )
        assert status(url + "/v1/models") == 401
        keys = secret(server, "llm-bifocal-keys")
        assert status(url + "/v1/models", keys["admin"]) == 200
        assert status(url + "/metrics", keys["metrics"]) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        there("uninstall", "llm", "--namespace", NAMESPACE)


def mounted(server: ApiServer, pod: Any, container: Any, folder: Path) -> Path:
    """Its ConfigMap and its keys, where the command and the configuration look for them."""
    (config,) = [each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each]
    (keys,) = [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each]
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    at, keys_at = folder / "config", folder / "config-keys"
    assert (places["config"], places["keys"]) == ("/etc/bifocal", "/etc/bifocal-keys")
    at.mkdir()
    keys_at.mkdir()
    for name, text in get(server, "api/v1", f"configmaps/{config}")["data"].items():
        (at / name).write_text(text.replace("/etc/bifocal", str(at)))
    (keys_at / "keys.yaml").write_text(secret(server, keys)["keys.yaml"])
    return at


def variables(server: ApiServer, container: Any) -> dict[str, str]:
    found = {}
    for each in container["env"]:
        if "value" in each:
            found[each["name"]] = each["value"]
        else:
            of = each["valueFrom"]["secretKeyRef"]
            found[each["name"]] = secret(server, of["name"])[of["key"]]
    return found


def get(server: ApiServer, api: str, name: str) -> Any:
    kind, _, name = name.partition("/")
    return server.ask("GET", f"/{api}/namespaces/{NAMESPACE}/{kind}/{name}")


def secret(server: ApiServer, name: str) -> dict[str, str]:
    data = get(server, "api/v1", f"secrets/{name}")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def status(url: str, key: str | None = None) -> int:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: int = answer.status
            return found
    except urllib.error.HTTPError as error:
        json.loads(error.read())
        return error.code


def wait_for(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if status(url) == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
