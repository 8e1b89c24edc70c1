"""A pod's volumes as folders of this machine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.install.helm import Manifest
from tests.install.started.variables import Get, NotThere, data, field

ACCOUNT_FILES: Final = 0o644

Token = Callable[[str], str]
"""Of a ServiceAccount."""


def made(pod: Manifest, folder: Path, get: Get, token: Token) -> dict[str, Path | None]:
    """By name; one of memory is no folder. Raises NotThere."""
    spec = pod["spec"]
    group = spec.get("securityContext", {}).get("fsGroup", 0)
    found: dict[str, Path | None] = {}
    for volume in spec.get("volumes", []):
        if volume.get("emptyDir", {}).get("medium") == "Memory":
            found[volume["name"]] = None
            continue
        place = folder / volume["name"]
        place.mkdir(parents=True, exist_ok=True)
        for name, text in _files(volume, pod, get, token).items():
            (file := place / name).write_text(text)
            file.chmod(ACCOUNT_FILES)
        # Whoever is of the group writes there, as a kubelet has it.
        os.chown(place, -1, group)
        place.chmod(0o2777)
        found[volume["name"]] = place
    return found


def _files(volume: Manifest, pod: Manifest, get: Get, token: Token) -> dict[str, str]:
    if "configMap" in volume:
        return _items(volume["configMap"], get("configmaps", volume["configMap"]["name"]))
    if "secret" in volume:
        return _items(volume["secret"], get("secrets", volume["secret"]["secretName"]))
    if "projected" in volume:
        files: dict[str, str] = {}
        for source in volume["projected"]["sources"]:
            files |= _projected(source, pod, get, token)
        return files
    assert "emptyDir" in volume, f"{volume['name']}: of a kind that nobody mounts here"
    return {}


def _projected(source: Manifest, pod: Manifest, get: Get, token: Token) -> dict[str, str]:
    if "serviceAccountToken" in source:
        return {source["serviceAccountToken"]["path"]: token(pod["spec"]["serviceAccountName"])}
    if "downwardAPI" in source:
        return {
            item["path"]: field(pod, item["fieldRef"]["fieldPath"])
            for item in source["downwardAPI"]["items"]
        }
    kind = "configMap" if "configMap" in source else "secret"
    return _items(source[kind], get(f"{kind.lower()}s", source[kind]["name"]))


def _items(wanted: Manifest, held: Manifest) -> dict[str, str]:
    """All of it, or what is named."""
    texts = data(held)
    items = wanted.get("items") or [{"key": key, "path": key} for key in texts]
    if missing := [item["key"] for item in items if item["key"] not in texts]:
        raise NotThere(f"{held['kind']} {held['metadata']['name']} has no {', '.join(missing)}")
    return {item["path"]: texts[item["key"]] for item in items}
