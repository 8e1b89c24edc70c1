"""A release's gateway, started as its Deployment has it: command, configuration, keys and variables
as the API server stored them, a process of this machine instead of a pod.
"""

import base64
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from deploy.chart.secrets import MAKERS, fill
from tests.install.helm import CHART, Helm, Manifest
from tests.install.server import ApiServer

RELEASE: Final = "llm"
NAME: Final = "llm-bifocal"


@dataclass(frozen=True)
class Stored:
    """What the API server keeps of a release in one namespace, and its gateway."""

    server: ApiServer
    namespace: str
    url: str
    process: subprocess.Popen[bytes]
    container: Manifest

    def secret(self, name: str) -> dict[str, str]:
        return _secret(self.server, self.namespace, name)

    @property
    def keys(self) -> dict[str, str]:
        return self.secret(f"{NAME}-keys")


@contextmanager
def gateway(
    helm: Helm, server: ApiServer, namespace: str, values: list[str], folder: Path
) -> Iterator[Stored]:
    """Installed, its Secrets filled by the Job's own code, its gateway running; taken off."""
    there = replace(helm, kubeconfig=server.kubeconfig)
    where = ("--namespace", namespace)
    there("install", RELEASE, CHART, *values, *where, "--create-namespace")
    api = server.api_of(namespace, f"{NAME}-secrets")
    for kind, make in MAKERS.items():
        fill(api, f"{NAME}-{kind}", make, time.time())
    deployment = get(server, namespace, f"apis/apps/v1/deployments/{NAME}-gateway")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    port = free_port()
    at = _mounted(server, namespace, pod, container, folder)
    command = [text.replace("/etc/bifocal", str(at)) for text in container["command"][1:]]
    more = ("--host", "127.0.0.1", "--port", str(port))
    env = variables(server, namespace, container) | {"PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "-m", "deploy.cli", *command, *more], env=env)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url + container["startupProbe"]["httpGet"]["path"])
        yield Stored(server, namespace, url, process, container)
    finally:
        process.kill()
        process.wait()
        there("uninstall", RELEASE, *where)


def _mounted(server: ApiServer, namespace: str, pod: Any, container: Any, folder: Path) -> Path:
    """Its ConfigMap and its keys, where the command and the configuration look for them."""
    maps = {each["name"]: each["configMap"] for each in pod["volumes"] if "configMap" in each}
    config = maps["config"]["name"]
    (keys,) = [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each]
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    at, keys_at = folder / "config", folder / "config-keys"
    assert (places["config"], places["keys"]) == ("/etc/bifocal", "/etc/bifocal-keys")
    at.mkdir()
    keys_at.mkdir()
    found = get(server, namespace, f"api/v1/configmaps/{config}")["data"]
    for name, text in found.items():
        (at / name).write_text(text.replace("/etc/bifocal", str(at)))
    (keys_at / "keys.yaml").write_text(_secret(server, namespace, keys)["keys.yaml"])
    return at


def variables(server: ApiServer, namespace: str, container: Any) -> dict[str, str]:
    found = {}
    for each in container["env"]:
        if "value" in each:
            found[each["name"]] = each["value"]
        else:
            of = each["valueFrom"]["secretKeyRef"]
            found[each["name"]] = _secret(server, namespace, of["name"])[of["key"]]
    return found


def get(server: ApiServer, namespace: str, path: str) -> Any:
    """`api/v1/services/NAME`, `apis/apps/v1/deployments/NAME`."""
    api, kind, name = path.rsplit("/", 2)
    return server.ask("GET", f"/{api}/namespaces/{namespace}/{kind}/{name}")


def _secret(server: ApiServer, namespace: str, name: str) -> dict[str, str]:
    data = get(server, namespace, f"api/v1/secrets/{name}")["data"]
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


def wait_for(url: str, within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if status(url) == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
