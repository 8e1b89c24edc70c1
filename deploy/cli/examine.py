"""`bifocal doctor` for a service that does not run here: at an address, or in a cluster."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.chart.values import Values
from deploy.cli.reach import SERVICE_PORT, Installed, installed
from deploy.config import ConfigError, load_as
from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.kube_checks import of_cluster
from deploy.doctor.kube_look import look
from deploy.doctor.kube_things import of_release
from deploy.doctor.kube_wants import wants_of
from deploy.doctor.service import ask, of_key, of_service
from deploy.failure import Exit, Failure
from deploy.kubectl import Kubectl, Refused

CONFIG: Final = "bifocal.yaml"


def of_address(url: str, key: str | None) -> Iterator[Finding]:
    yield from of_service(ask(url))
    if key is not None:
        yield from of_key(url, key)


def of_context(kubectl: Kubectl, release: str | None, values: Path | None) -> Iterator[Finding]:
    """`values` as they are to be installed; else what the release was installed with, as far as its
    gateway knows it. Raises Failure where there is neither, or the API server does not answer."""
    there: Installed | None
    if values is None:
        there = installed(kubectl, release)
        asked = _served(there)
    else:
        there, asked = _perhaps(kubectl, release), _values(values)
    seen, wants = look(kubectl, there.release if there else release), wants_of(asked)
    yield from of_cluster(seen, wants)
    yield from of_release(seen, wants)
    if there is not None:
        yield from _of_gateway(there)


def _perhaps(kubectl: Kubectl, release: str | None) -> Installed | None:
    """None before anything is installed."""
    try:
        return installed(kubectl, release)
    except Failure as error:
        if release is not None or isinstance(error, Refused):
            raise
        return None


def _of_gateway(there: Installed) -> Iterator[Finding]:
    try:
        with there.kubectl.forward(f"service/{there.service}", SERVICE_PORT) as port:
            yield from of_service(ask(f"http://127.0.0.1:{port}"))
    except Refused as error:
        remedy = "the gateway's pods are not ready yet, or you may not forward ports"
        yield Finding("gateway", Verdict.FAIL, error.what, remedy)


def _served(there: Installed) -> Values:
    """Without what only the chart's values have: images, secrets, the network."""
    data = there.kubectl.json("get", "configmap", there.config)["data"]
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / CONFIG).write_text(data[CONFIG])
        return _values(file)


def _values(file: Path) -> Values:
    try:
        return load_as(Values, file)
    except ConfigError as error:
        raise Failure(Exit.BAD_INPUT, str(error)) from None
