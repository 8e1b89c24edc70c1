"""An operator's order on its way to the gateways, and what they say of it."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.cli.client import exchange
from deploy.cli.reach import Installed, Reached
from deploy.failure import Failure
from deploy.kubectl import Refused
from deploy.orders import orders_in, text_of
from serving.gateway.orders import MODE, POOL, Order, held
from serving.keys import ID_CHARS

Report = dict[str, Any]
FILE: Final = "orders.json"
"""The entry of the ConfigMap, and so the name of the file that gateways read."""


def shown(service: Reached) -> Report:
    """Raises Failure."""
    report: Report = json.loads(exchange(service.url, service.key, "GET", "/operator"))
    return report


def ordered(service: Reached, what: str, order: Mapping[str, Any]) -> Report:
    """`what` is `pool`, `mode` or `key`. Raises Failure."""
    path = f"/operator/{what}"
    report: Report = json.loads(exchange(service.url, service.key, "POST", path, order))
    if service.installed is not None and service.installed.orders is not None:
        report["kept"] = _kept(service.installed, service.installed.orders, report["orders"])
    return report


def _kept(installed: Installed, name: str, orders: Iterable[Mapping[str, Any]]) -> bool:
    """Gateways may not write the ConfigMap that they start from; whoever gives the order may."""
    text = text_of(msgspec.convert(each, Order) for each in orders).decode()
    patch = json.dumps({"data": {FILE: text}})
    try:
        installed.kubectl.run("patch", "configmap", name, "--type", "merge", "--patch", patch)
    except Refused as error:
        print(f"bifocal: {error.what}", file=sys.stderr)
        return False
    return True


def confirmed(report: Report) -> str:
    """Who holds it, and for how long it is sure to be held."""
    gateways = report["gateways"]
    all_of_them = f"{gateways['agree']} of {gateways['all']}"
    count = "the gateway holds it" if gateways["all"] == 1 else f"{all_of_them} gateways hold it"
    if report["kept"]:
        return f"{count}, and those that start later"
    return (
        f"{count}, and those that start beside them; it is forgotten where all of them end at once "
        "(--context keeps it in the cluster)"
    )


def lines(report: Report) -> list[str]:
    """What is ordered, for `bifocal status`."""
    found = []
    if mode := report["mode"]:
        found.append(f"forced   auto goes {mode['value']}{_until(mode)}, by {mode['by']}")
    for name, pool in report["pools"].items():
        if pool["drained"]:
            way = "" if pool["requests"] is None else f", {requests(pool['requests'])} under way"
            found.append(f"drained  {name}{way}, by {pool['by']}")
    if revoked := report["revoked"]:
        found.append(f"revoked  {', '.join(revoked)}")
    return found


def kept_here(file: Path) -> Report:
    """Of the service of this machine, without asking it: what is under way is not in the file."""
    try:
        known = {order.subject: order for order in orders_in(file.read_bytes())}
    except (OSError, ValueError):
        known = {}
    now = time.time()
    holds = held(known, now)
    mode = known.get(MODE)
    return {
        "mode": None if holds.forced is None or mode is None else msgspec.to_builtins(mode),
        "pools": {
            name: {"drained": True, "requests": None, "by": known[POOL + name].by}
            for name in sorted(holds.drained)
        },
        "revoked": sorted(sha256[:ID_CHARS] for sha256 in holds.revoked),
    }


def requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _until(order: Mapping[str, Any]) -> str:
    if order["until"] is None:
        return ""
    return f" until {datetime.fromtimestamp(order['until'], UTC):%Y-%m-%d %H:%M:%S} UTC"


def try_shown(service: Reached) -> Report | None:
    """None where this key is no operator's, or the gateway is of an older version."""
    try:
        return shown(service)
    except Failure:
        return None
