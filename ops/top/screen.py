"""A view as a terminal shows it, and as a picture of one."""

import io
import re
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.top.view import Pool, View

MOST_DECISIONS: Final = 8
COLUMNS: Final = 110
"""Of a picture: a pool's line fits, and it can be read on a page."""
FONTS: Final = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""Rich would have a reader's browser fetch its font from elsewhere; any of one width will do."""


def screen(view: View, where: str) -> RenderableType:
    """Pools and their replicas, then what was decided."""
    return Group(_head(view, where), Text(), _pools(view), Text(), _decisions(view))


def picture(view: View, where: str) -> str:
    """As SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(screen(view, where))
    return FONTS.sub("", console.export_svg(title="bifocal top"))


def _head(view: View, where: str) -> Text:
    head = Text()
    head.append(where, style="bold")
    head.append(f"   {view.in_flight} in flight   {view.requests_s:.1f} requests/s")
    head.append(f"   last {view.seconds:.0f} s", style="dim")
    for code, count in view.errors.items():
        head.append(f"   {count} {code}", style="red")
    return head


def _pools(view: View) -> Table:
    """Numbers stand whole; where a terminal is narrow, a name goes on in the next line, as what it
    ends with may be what tells two pools apart."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("pool", overflow="fold")
    table.add_column("ready", justify="right")
    for name in ("in flight", "run", "wait", "KV", "tok/s", "req/s", "TTFT p50", "p95"):
        table.add_column(name, justify="right", no_wrap=True)
    for pool in view.pools:
        table.add_row(*_of_pool(pool), style="" if pool.ready >= pool.wanted else "yellow")
        if len(pool.replicas) > 1:
            for each in pool.replicas:
                table.add_row(
                    f"  {each.name}", "", str(each.in_flight), str(each.running), str(each.waiting),
                    f"{each.kv_usage:.0%}", f"{each.tokens_s:.0f}", style="dim",
                )  # fmt: skip
    return table


def _of_pool(pool: Pool) -> tuple[str, ...]:
    replicas = pool.replicas
    state = f"{pool.ready} of {pool.wanted}" + (f", {pool.failing} failing" if pool.failing else "")
    return (
        pool.model,
        state,
        str(sum(each.in_flight for each in replicas)),
        str(sum(each.running for each in replicas)),
        str(sum(each.waiting for each in replicas)),
        f"{max((each.kv_usage for each in replicas), default=0):.0%}",
        f"{pool.tokens_s:.0f}",
        f"{pool.requests_s:.1f}",
        _time(pool.ttft_p50_s),
        _time(pool.ttft_p95_s),
    )


def _decisions(view: View) -> RenderableType:
    if not view.decisions:
        return Text("nothing was decided", style="dim")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("decided", justify="right")
    for name in ("model", "thinking", "because"):
        table.add_column(name, overflow="fold")
    for each in view.decisions[:MOST_DECISIONS]:
        table.add_row(str(each.count), each.model, each.thinking, each.reason)
    if left := view.decisions[MOST_DECISIONS:]:
        table.add_row(str(sum(each.count for each in left)), "others", style="dim")
    return table


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
