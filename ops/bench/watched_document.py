"""`docs/watched.md`, written from a run.

python -m ops.bench.watched_document < watched.json > docs/watched.md
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from ops.bench.document import measured, warning
from ops.bench.report import load_words
from ops.bench.watched import GOAL, LOAD, OFTEN, as_table

HEAD = f"""\
# What being watched costs

`bifocal bench --watched --json watched.json` measures it, in ten minutes, and
`python -m ops.bench.watched_document < watched.json > docs/watched.md` writes this page. A
Prometheus watches the gateway and, through the gateway's own list, every replica, with the file
that `bifocal config prometheus` writes: every page every five seconds. Where no `prometheus` is
installed, a plain reader of the same pages stands in for it, and this page says so.

What that costs is lost in a machine's own noise: twelve pairs of 20 s with and without it, on two
cores with nothing beside, gave a ratio of 1.000 with an interval of 0.885 to 1.085. So every page
is read {OFTEN} times as often, and of what that adds one part in {OFTEN} is the figure. It errs on
the high side: a service that is read so often makes fewer tokens a second, and each of them bears
more of what Ray does by itself.

The load is steady: {load_words(LOAD)}, one of sixteen short prompts each, greedy,
without thinking, cut at exactly so many tokens. Windows come in pairs, one watched and one alone,
the first of a pair in turn. Counted is the CPU time of all processes of Bifocal and Ray in a window
by the tokens that were made in it; the ratio is taken within each pair, its median and interval are
over the pairs, and the interval is of order statistics: it holds the true median with the
probability beside it. What Prometheus itself takes is told and not counted: it need not live on
these machines. The goal is that all of the interval lies under {GOAL:g}.
"""


def document(report: Mapping[str, Any]) -> str:
    machine, settings = report["machine"], report["settings"]
    parts = (
        f"{measured(machine)}: {settings['model']}, "
        f"{settings['pairs']} pairs of {settings['seconds']:g} s each, watched by "
        f"{report['watcher']}.",
        *warning(machine),
        as_table(report),
    )
    return HEAD + "\n" + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(document(json.load(sys.stdin)), end="")
