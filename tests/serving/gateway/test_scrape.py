"""Prometheus finds the replicas by the gateway, and reads each one's page through it."""

from typing import Any
from urllib.parse import urlencode

from serving.gateway import FixedSource
from serving.values import Target, TargetId
from tests.serving.gateway.conftest import Ask
from tests.serving.gateway.peers import DENSE, MOE, Peer, gateway, said, serving
from tests.serving.gateway.test_app import KEY, KEYS

LIST, PAGE = "/metrics/targets", "/metrics/replica"


def page_of(group: dict[str, Any]) -> str:
    """As Prometheus makes it of the labels."""
    labels: dict[str, str] = group["labels"]
    asked = {k.removeprefix("__param_"): v for k, v in labels.items() if k.startswith("__param_")}
    return f"{labels['__metrics_path__']}?{urlencode(asked)}"


async def test_each_replica_is_a_page_of_the_gateway(ask: Ask) -> None:
    one, two, deep = Peer([said()]), Peer([said()]), Peer([said()], page=b"other 1\n")
    async with serving(one) as first, serving(two) as second, serving(deep) as third:
        source = FixedSource({DENSE: [first, second], MOE: [third]}, {MOE: "opens the door"})
        async with gateway(sources=[source]) as url:
            found = (await ask(url, method="GET", path=LIST)).json
            pages = [await ask(url, method="GET", path=page_of(group)) for group in found]
    assert [group["targets"] for group in found] == [[url.removeprefix("http://")]] * 3
    assert [(group["labels"]["model"], group["labels"]["replica"]) for group in found] == [
        (DENSE, first), (DENSE, second), (MOE, third),
    ]  # fmt: skip
    assert len({group["labels"]["instance"] for group in found}) == 3
    assert [page.body for page in pages] == [one.page, two.page, deep.page]
    assert deep.scraped[0]["authorization"] == "Bearer opens the door"


async def test_a_replica_that_has_gone_or_says_nothing_is_no_page(ask: Ask) -> None:
    dumb = Peer([said()], page=b"")
    async with serving(dumb) as at, gateway(sources=[FixedSource({DENSE: [at]})]) as url:
        (group,) = (await ask(url, method="GET", path=LIST)).json
        silent = await ask(url, method="GET", path=page_of(group))
        gone = await ask(
            url, method="GET", path="/metrics/replica?model=pocket-dense&replica=other"
        )
        no_pool = await ask(url, method="GET", path=PAGE)
    assert (silent.status, gone.status, no_pool.status) == (503, 404, 404)


async def test_what_the_engines_count_is_for_those_with_a_key(ask: Ask) -> None:
    async with gateway(keys=KEYS) as url:
        path = f"{PAGE}?model={DENSE}&replica=any"
        shut = [await ask(url, method="GET", path=at) for at in (LIST, path)]
        let_in = await ask(url, method="GET", path=LIST, headers={"x-api-key": KEY})
    assert ([got.status for got in shut], let_in.status) == ([401, 401], 200)


def test_a_replica_is_called_by_the_part_of_its_name_that_is_its_own() -> None:
    rays = "SERVE_REPLICA::pocket-moe#pocket-moe#m4hz0f3k@10.0.0.7:30000"
    assert Target(TargetId(rays), "http://10.0.0.7:30000").name == "m4hz0f3k"
    assert Target(TargetId("http://10.0.0.7:1"), "http://10.0.0.7:1").name == "http://10.0.0.7:1"
