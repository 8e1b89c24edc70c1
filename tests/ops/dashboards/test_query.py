"""A query that its row cannot answer is refused where it is written."""

import re

import pytest

from ops.dashboards import query
from ops.metrics import engine, table

PLACE = 'namespace=~"$namespace", release=~"$release"'
OF_MODEL = f'{PLACE}, model=~"$model"'


def test_the_labels_that_a_row_has_are_chosen_by_variables() -> None:
    assert query.series(table.IN_FLIGHT) == f"bifocal_requests_in_flight{{{PLACE}}}"
    assert query.series(table.RETRIES) == f"bifocal_request_retries_total{{{OF_MODEL}}}"


def test_a_label_that_is_given_wins_over_its_variable() -> None:
    found = query.series(table.RETRIES, model="~a|b", release="x")
    assert found.endswith('{namespace=~"$namespace", release="x", model=~"a|b"}')


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: query.series(table.RETRIES, team="x"), id="matched"),
        pytest.param(lambda: query.a_second(table.RETRIES, "team"), id="summed by"),
        pytest.param(lambda: query.quantile(0.5, table.TTFT, "team"), id="quantile by"),
    ],
)
def test_a_label_that_a_row_lacks_is_refused(made: object) -> None:
    assert callable(made)
    with pytest.raises(ValueError, match="has no label team"):
        made()


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: query.a_second(table.IN_FLIGHT), id="the rate of a gauge"),
        pytest.param(lambda: query.total(table.RETRIES, "model"), id="a counter as it stands"),
        pytest.param(lambda: query.quantile(0.5, table.RETRIES), id="the quantile of a counter"),
    ],
)
def test_what_a_kind_cannot_answer_is_refused(made: object) -> None:
    assert callable(made)
    with pytest.raises(ValueError, match=re.compile("is a (gauge|counter), no ")):
        made()


def test_a_query_knows_what_it_reads() -> None:
    hits = query.a_second(engine.PREFIX_HITS, "model")
    share = hits / query.a_second(engine.PREFIX_QUERIES, "model")
    assert share.rows == (engine.PREFIX_HITS, engine.PREFIX_QUERIES)
    assert (hits.counts, share.counts) == (True, False)
