"""The service that a verb talks to: at an address, or in a cluster that a context names.

The one place where --url, --key and --context become something that can be asked.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from deploy.cli.inputs import service_of
from deploy.doctor.kube_look import INSTANCE, PART
from deploy.doctor.kube_things import ADMIN
from deploy.failure import Exit, Failure
from deploy.kubectl import Kubectl, Refused

OURS: Final = ("app.kubernetes.io/part-of", "bifocal")
GATEWAY: Final = f"{'='.join(OURS)},{PART}=gateway"
MAKER: Final = f"{PART}=secrets"
"""The pod of the Job that fills the chart's Secrets."""
SERVICE_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Installed:
    """A release of the chart, as its gateway's Deployment has it."""

    kubectl: Kubectl
    release: str
    service: str
    config: str
    """The ConfigMap with its cluster file."""
    keys: str | None
    """The Secret that its file of keys comes from."""
    orders: str | None
    """The ConfigMap in which orders outlive all gateways."""


@dataclass(frozen=True, slots=True)
class Reached:
    url: str
    key: str | None
    installed: Installed | None = None


@contextmanager
def reached(
    url: str | None = None,
    key: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    release: str | None = None,
) -> Iterator[Reached]:
    """Raises Failure."""
    one_service(url, context, namespace, release)
    if context is None:
        yield Reached(*service_of(url, key))
        return
    with entered(installed(Kubectl(context, namespace), release), key) as found:
        yield found


@contextmanager
def entered(found: Installed, key: str | None) -> Iterator[Reached]:
    """Raises Failure."""
    _, given = service_of(None, key)
    secret = given or admin_key(found)
    with found.kubectl.forward(f"service/{found.service}", SERVICE_PORT) as port:
        yield Reached(f"http://127.0.0.1:{port}", secret, found)


def one_service(
    url: str | None, context: str | None, namespace: str | None, release: str | None
) -> None:
    """Whether what is given names one service at most. Raises Failure."""
    if url is not None and context is not None:
        raise Failure(Exit.BAD_INPUT, "--url and --context both name a service", "give one of them")
    if context is None and (namespace or release):
        what = "--namespace and --release go with --context"
        raise Failure(Exit.BAD_INPUT, what, "name a context of your kubeconfig")


def installed(kubectl: Kubectl, release: str | None) -> Installed:
    """Raises Failure where there is none, or more than one and none is named."""
    selector = GATEWAY if release is None else f"{GATEWAY},{INSTANCE}={release}"
    found = kubectl.json("get", "deployments,services", "--selector", selector)["items"]
    deployments = [each for each in found if each["kind"] == "Deployment"]
    releases = [each["metadata"]["labels"][INSTANCE] for each in deployments]
    where = f"in {kubectl.namespace}" if kubectl.namespace else "in the context's namespace"
    if not deployments:
        named = f" named {release}" if release else ""
        what = f"there is no release of the chart{named} {where}"
        raise Failure(Exit.NOT_RUNNING, what, "name another with --namespace; `helm list -A`")
    if len(deployments) > 1:
        what = f"there are several releases {where}: {', '.join(sorted(releases))}"
        raise Failure(Exit.BAD_INPUT, what, "name one with --release")
    volumes = deployments[0]["spec"]["template"]["spec"].get("volumes", [])
    keys = _source(volumes, "keys", "secret", "secretName")
    config = _source(volumes, "config", "configMap", "name") or ""
    orders = _source(volumes, "orders", "configMap", "name")
    return Installed(kubectl, releases[0], _service(found, releases[0]), config, keys, orders)


def _service(found: list[dict[str, Any]], release: str) -> str:
    """Not the headless one, by which gateways find each other. Raises Failure."""
    for each in found:
        if each["kind"] == "Service" and each["spec"].get("clusterIP") != "None":
            name: str = each["metadata"]["name"]
            return name
    what = f"the gateway of {release} has no Service"
    raise Failure(Exit.NOT_RUNNING, what, "`helm upgrade` of the release makes it anew")


def admin_key(found: Installed) -> str:
    """Raises Failure."""
    remedy = "give an operator's key with BIFOCAL_KEY or --key"
    if found.keys is None:
        raise Failure(Exit.BAD_INPUT, f"the gateway of {found.release} has no keys", remedy)
    try:
        secret = found.kubectl.json("get", "secret", found.keys)
    except Refused as error:
        raise Failure(Exit.BAD_INPUT, error.what, remedy) from None
    data = secret.get("data") or {}
    if not data and is_ours(secret):
        what = f"the Secret {found.keys} is still empty: its Job has not run to its end"
        raise Failure(Exit.NOT_RUNNING, what, f"try again, or see `kubectl get pods -l {MAKER}`")
    if ADMIN not in data:
        what = f"the Secret {found.keys} has no key in plain text under `{ADMIN}`"
        raise Failure(Exit.BAD_INPUT, what, remedy)
    return base64.b64decode(data[ADMIN]).decode().strip()


def is_ours(secret: Mapping[str, Any]) -> bool:
    """Whether the chart made it."""
    name, value = OURS
    return (secret["metadata"].get("labels") or {}).get(name) == value


def _source(volumes: list[dict[str, Any]], name: str, kind: str, key: str) -> str | None:
    for volume in volumes:
        if volume["name"] == name and kind in volume:
            found: str = volume[kind][key]
            return found
    return None
