"""Whether what a release needs beside the cluster is there: storage, secrets, pods. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.kube import Kubernetes, Wants

PULL_KINDS: Final = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
BOUND: Final = "Bound"
ADMIN: Final = "admin"
"""The entry of a Secret of keys with an operator's key in plain text."""


def of_release(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    yield from _classes(seen, wants)
    yield from _claims(seen, wants)
    yield from _secrets(seen, wants)
    yield from _pull_secrets(seen, wants)
    yield from _pods(seen)


def _classes(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    if not wants.classes:
        return
    if why := seen.unseen.get("classes"):
        yield _unseen("storage", why)
        return
    there = ", ".join(sorted(seen.classes)) or "none"
    for name in dict.fromkeys(wants.classes):
        if name is None and not any(seen.classes.values()):
            what = f"no storage class is the default; there are: {there}"
            remedy = "name one: volume.storageClass"
            yield Finding("storage", Verdict.FAIL, what, remedy)
        elif name is not None and name not in seen.classes:
            what = f"there is no storage class {name}; there are: {there}"
            yield Finding("storage", Verdict.FAIL, what, "name one of these")
        else:
            default = next((each for each, is_it in seen.classes.items() if is_it), None)
            yield Finding("storage", Verdict.OK, f"{name or f'{default}, the default'}")


def _claims(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    if why := seen.unseen.get("claims"):
        if wants.claims:
            yield _unseen("claims", why)
        return
    for name in wants.claims:
        if name not in seen.claims:
            what = f"{name} is not there"
            yield Finding("claims", Verdict.FAIL, what, "make it, or set volume.size")
    for name, phase in seen.claims.items():
        if phase != BOUND:
            remedy = f"`kubectl describe persistentvolumeclaim {name}`"
            yield Finding("claims", Verdict.WARN, f"{name} is {phase}", remedy)


def _secrets(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    if wants.secrets and (why := seen.unseen.get("secrets")):
        yield _unseen("secrets", why)
        return
    for name, entries in wants.secrets.items():
        found = seen.secrets.get(name)
        if found is None:
            yield Finding("secrets", Verdict.FAIL, f"{name} is not there", _make(name, entries))
        elif missing := sorted(entries - found.entries):
            what = f"{name} has no {', '.join(missing)}"
            yield Finding("secrets", Verdict.FAIL, what, _add(name, missing))
        elif name == wants.keys and ADMIN not in found.entries:
            what = f"{name} has no {ADMIN}, the operator's key of `helm test` and of --context"
            yield Finding("secrets", Verdict.WARN, what, _add(name, [ADMIN]))
        else:
            yield Finding("secrets", Verdict.OK, name)


def _make(name: str, entries: frozenset[str]) -> str:
    return f"`kubectl create secret generic {name}` with {', '.join(sorted(entries)) or 'its keys'}"


def _add(name: str, entries: Iterable[str]) -> str:
    more = json.dumps({"stringData": dict.fromkeys(entries, "...")})
    return f"`kubectl patch secret {name} --patch '{more}'`"


def _pull_secrets(seen: Kubernetes, wants: Wants) -> Iterator[Finding]:
    if wants.pull_secrets and (why := seen.unseen.get("secrets")):
        yield _unseen("pull secrets", why)
        return
    for name in wants.pull_secrets:
        found = seen.secrets.get(name)
        remedy = f"`kubectl create secret docker-registry {name} ...`"
        if found is None:
            yield Finding("pull secrets", Verdict.FAIL, f"{name} is not there", remedy)
        elif found.kind not in PULL_KINDS:
            yield Finding("pull secrets", Verdict.FAIL, f"{name} is of type {found.kind}", remedy)
        else:
            yield Finding("pull secrets", Verdict.OK, name)


def _pods(seen: Kubernetes) -> Iterator[Finding]:
    if why := seen.unseen.get("pods"):
        yield _unseen("pods", why)
    for pod in seen.pods:
        yield Finding(
            "pods", Verdict.FAIL, f"{pod.name}: {pod.why}", _what_to_do(pod.name, pod.why)
        )


_REMEDIES: Final = (
    ("ImagePull", "see the image's name, images.registry and images.pullSecrets"),
    ("ErrImage", "see the image's name, images.registry and images.pullSecrets"),
    ("Insufficient", "nodes lack what it asks for: add some, or ask for less"),
    ("untolerated taint", "set gpus.NAME.tolerations"),
    ("node affinity", "see gpus.NAME.nodeSelector"),
    ("unbound", "its volume is not there: see the storage class"),
    ("OOMKilled", "give it more memory (resources)"),
)


def _what_to_do(name: str, why: str) -> str:
    known = next((remedy for sign, remedy in _REMEDIES if sign in why), None)
    return known or f"`kubectl describe pod {name}`, `kubectl logs {name} --previous`"


def _unseen(check: str, why: str) -> Finding:
    return Finding(check, Verdict.WARN, f"cannot be seen: {why}", "ask someone who may look")
