"""What a gateway says of itself over HTTP."""

import json
from collections.abc import Callable, Iterator
from typing import Final

from deploy.bundle.archive import Entry
from deploy.bundle.scrub import Scrubber
from deploy.failure import Failure

PAGES: Final = (
    ("ready.json", "/ready"),
    ("models.json", "/v1/models"),
    ("orders.json", "/operator"),
    ("metrics.txt", "/metrics"),
)
DECISIONS: Final = "bifocal_router_decisions_total"


def entries(page: Callable[[str], bytes], scrubber: Scrubber) -> Iterator[Entry]:
    """`page` gets what is at a path, or raises Failure, and then the reason is told."""
    for name, path in PAGES:
        try:
            text = page(path).decode()
        except Failure as error:
            yield Entry(f"service/{name}.missing", f"{error.what}\n".encode())
            continue
        if name.endswith(".json"):
            text = json.dumps(scrubber.value(json.loads(text)), indent=1)
        else:
            yield _decisions(text)
        yield Entry(f"service/{name}", scrubber.text(text).encode())


def _decisions(metrics: str) -> Entry:
    lines = [line for line in metrics.splitlines() if line.startswith(DECISIONS)]
    return Entry("service/decisions.txt", "".join(f"{line}\n" for line in lines).encode())
