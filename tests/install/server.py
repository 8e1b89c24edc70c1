"""A real API server on loopback: etcd, kube-apiserver and the controllers, from nothing to nothing.

No kubelet runs, so no pod does. Ports are free ones, keys are made for the occasion.
"""

import base64
import json
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.chart.api import Api

CONTROLLERS: Final = (
    "*,-nodelifecycle,-nodeipam,-service,-route,-ttl,-csrsigning,-csrapproving,-csrcleaner"
)
UP_WITHIN_S: Final = 120.0
IN_CLUSTER: Final = "10.96.0.1"
"""By which pods would reach it: the first of the Services' addresses."""


class Answer(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status = status


class ApiServer:
    """Used as a context; `kubeconfig` is for Helm, `ask` for the test itself."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        self._token = secrets.token_hex(16)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.etcd, peer, self.port, manager = _free_ports(4)
        self._peer, self._manager = peer, manager
        self.kubeconfig = folder / "kubeconfig"

    @property
    def authority(self) -> Path:
        return self._folder / "ca.crt"

    def __enter__(self) -> "ApiServer":
        self._make_keys()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _make_keys(self) -> None:
        self._openssl("genrsa", "-out", "sa.key", "2048")
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip
        self._openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kube-apiserver",
            "-keyout", "server.key", "-out", "server.csr",
        )  # fmt: skip
        names = self._folder / "names"
        names.write_text(f"subjectAltName=IP:127.0.0.1,IP:{IN_CLUSTER},DNS:localhost\n")
        self._openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt",
        )  # fmt: skip
        users = self._folder / "users.csv"
        users.write_text(f'{self._token},tester,tester,"system:masters"\n')
        users.chmod(0o600)
        self.write_kubeconfig(self.kubeconfig, self._token)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self._folder, check=True, capture_output=True, timeout=120
        )

    def write_kubeconfig(self, path: Path, token: str) -> None:
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        server = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": authority,
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "tester", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "tester"}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)

    def _start(self) -> None:
        etcd, peer = f"http://127.0.0.1:{self.etcd}", f"http://127.0.0.1:{self._peer}"
        self._run(
            "etcd", "--name=test", f"--data-dir={self._folder / 'etcd'}", "--unsafe-no-fsync",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
        )  # fmt: skip
        here = self._folder
        self._run(
            "kube-apiserver", f"--etcd-servers={etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={self.port}", "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/24",
            f"--tls-cert-file={here / 'server.crt'}",
            f"--tls-private-key-file={here / 'server.key'}",
            f"--client-ca-file={self.authority}", f"--token-auth-file={here / 'users.csv'}",
            "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={here / 'sa.key'}",
            f"--service-account-signing-key-file={here / 'sa.key'}",
            "--disable-admission-plugins=TaintNodesByCondition",
        )  # fmt: skip
        self._wait_for("/readyz")
        self._run(
            "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
            "--bind-address=127.0.0.1", f"--secure-port={self._manager}", "--port=0",
            f"--cert-dir={here}", f"--service-account-private-key-file={here / 'sa.key'}",
            f"--root-ca-file={self.authority}", f"--controllers={CONTROLLERS}",
            "--use-service-account-credentials=true",
        )  # fmt: skip
        self._wait_for("/api/v1/namespaces/default/serviceaccounts/default")

    def _run(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [str(self._binaries / name), *arguments]
            self._processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
            )

    def _wait_for(self, path: str) -> None:
        end = time.monotonic() + UP_WITHIN_S
        while True:
            try:
                self.ask("GET", path)
                return
            except (Answer, OSError):
                ended = [each.args for each in self._processes if each.poll() is not None]
                if ended or time.monotonic() > end:
                    logs = {each.name: each.read_text()[-1000:] for each in self._logs()}
                    raise AssertionError(f"{path}: no answer; {ended} ended; {logs}") from None
                time.sleep(0.2)

    def _logs(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        content: str = "application/json",
    ) -> Any:
        """Raises Answer for what is refused."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {token or self._token}",
                "content-type": content,
            },
        )
        context = ssl.create_default_context(cafile=str(self.authority))
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Answer(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text.startswith(b"{") else text.decode()

    def define(self, crd: Path) -> None:
        """A custom resource, once it can be used."""
        for definition in yaml.load_all(crd.read_text(), yaml.CSafeLoader):
            if not definition:
                continue
            self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
            spec = definition["spec"]
            for version in spec["versions"]:
                if version["served"]:
                    group = f"/apis/{spec['group']}/{version['name']}"
                    self._wait_for(f"{group}/{spec['names']['plural']}")

    def token_of(self, namespace: str, account: str) -> str:
        """As a pod of that ServiceAccount gets it."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        token: str = self.ask("POST", path, asked)["status"]["token"]
        return token

    def api_of(self, namespace: str, account: str) -> Api:
        """As a Job of that ServiceAccount has it."""
        token = self._folder / f"{namespace}-{account}.token"
        token.write_text(self.token_of(namespace, account))
        return Api("127.0.0.1", self.port, token, namespace, str(self.authority))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
