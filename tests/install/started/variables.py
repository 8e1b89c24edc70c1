"""A container's environment: its variables with what they refer to in their place."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.install.helm import Manifest

_REFERENCE: Final = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_LABEL: Final = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")

Get = Callable[[str, str], Manifest]
"""An object of the namespace, by its kind's plural and its name."""


class NotThere(Exception):
    """Something that a pod refers to; a kubelet waits for it."""


def expanded(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` of a known name is replaced, `$$` is a dollar."""

    def part(found: "re.Match[str]") -> str:
        name = found[1]
        return "$" if name is None else known.get(name, found[0])

    return _REFERENCE.sub(part, text)


def environment(container: Manifest, pod: Manifest, get: Get) -> dict[str, str]:
    """Raises NotThere."""
    found: dict[str, str] = {}
    for each in container.get("envFrom", []):
        of = each.get("secretRef") or each["configMapRef"]
        found |= data(get("secrets" if "secretRef" in each else "configmaps", of["name"]))
    for each in container.get("env", []):
        if "valueFrom" in each:
            found[each["name"]] = _referred(each["valueFrom"], pod, get)
        else:
            found[each["name"]] = expanded(each.get("value", ""), found)
    return found


def _referred(source: Manifest, pod: Manifest, get: Get) -> str:
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    kind, of = (
        ("secrets", source["secretKeyRef"])
        if "secretKeyRef" in source
        else ("configmaps", source["configMapKeyRef"])
    )
    texts = data(get(kind, of["name"]))
    if of["key"] not in texts:
        raise NotThere(f"{kind}/{of['name']} has no {of['key']}")
    return texts[of["key"]]


def field(pod: Manifest, path: str) -> str:
    """Of the pod itself."""
    if named := _LABEL.fullmatch(path):
        text: str = pod["metadata"][named[1]][named[2]]
        return text
    found: Any = pod
    for part in path.split("."):
        found = found[part]
    return str(found)


def data(held: Manifest) -> dict[str, str]:
    """Of a Secret or a ConfigMap."""
    texts: dict[str, str] = held.get("data") or {}
    if held["kind"] == "ConfigMap":
        return texts
    return {key: base64.b64decode(text).decode() for key, text in texts.items()}
