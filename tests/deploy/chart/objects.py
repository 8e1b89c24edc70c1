"""Objects of one namespace in memory, as the Jobs of the chart ask for them; and a clock that
stands still but for those who sleep."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deploy.chart.api import Refused
from deploy.chart.renew import Clock

Act = Callable[[], None]
ENOUGH_S = 10_000.0


@dataclass
class Objects:
    """`asked` has each change, in its order. What is in `refusals` is answered with that status."""

    there: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refusals: dict[str, list[int]] = field(default_factory=dict)
    """By method, the next ones first."""

    def put(self, kind: str, name: str, **fields: Any) -> None:
        """As someone else does."""
        version = str(1 + int(self._version(kind, name)))
        metadata = {"name": name, "resourceVersion": version, **fields.pop("metadata", {})}
        self.there[kind, name] = {"metadata": metadata, **fields}

    def ask(self, method: str, kind: str, name: str = "", body: Any = None) -> Any:
        if method != "GET":
            self.asked.append(f"{method} {name}")
        if statuses := self.refusals.get(method):
            raise Refused(statuses.pop(0), f"{method} {kind}/{name}: refused")
        if not name:
            return {"items": [copy.deepcopy(o) for (k, _), o in self.there.items() if k == kind]}
        if (kind, name) not in self.there:
            raise Refused(404, f"{method} {kind}/{name}: 404")
        if method == "PATCH":
            _patch(self.there[kind, name], body)
        elif method == "PUT":
            self._replace(kind, name, copy.deepcopy(body))
        elif method == "DELETE":
            self.there[kind, name]["metadata"]["deletionTimestamp"] = "now"
        return copy.deepcopy(self.there[kind, name])

    def _replace(self, kind: str, name: str, body: Any) -> None:
        if body["metadata"]["resourceVersion"] != self._version(kind, name):
            raise Refused(409, f"PUT {kind}/{name}: 409")
        self.put(kind, name, **body | {"metadata": {}})

    def _version(self, kind: str, name: str) -> str:
        found = self.there.get((kind, name), {"metadata": {"resourceVersion": "0"}})
        return str(found["metadata"]["resourceVersion"])


def _patch(found: Any, steps: list[dict[str, Any]]) -> None:
    """A JSON patch of nothing but `add`."""
    for step in steps:
        assert step["op"] == "add"
        *way, last = step["path"].split("/")[1:]
        place = found
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place[key]
        place[last] = step["value"]


class Timeline:
    """At its second, each act of others happens."""

    def __init__(self, *acts: tuple[float, Act]) -> None:
        self.now = 0.0
        self._left = sorted(acts, key=lambda each: each[0])

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < ENOUGH_S, "it waits for what does not come"
        while self._left and self._left[0][0] <= self.now:
            self._left.pop(0)[1]()
