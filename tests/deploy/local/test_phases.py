"""A pool's way to readiness, as Ray's REST API tells it."""

from typing import Any

import pytest

from deploy.local.phases import Phase, PoolStatus, Saying, statuses
from serving.pools.start import Mark, Noted, Said, Step
from serving.values import ModelName

NAME = ModelName("pocket-moe")
WARMING = Said((Mark(Step.IMPORTS, 105.0), Mark(Step.ENGINE, 107.0)))
NO_HUB = Noted("the hub is out of reach; trying again", held=True)


def application(
    status: str, *replicas: tuple[str, int | None], message: str = "", wanted: int = 1
) -> dict[str, Any]:
    deployment = {
        "target_num_replicas": wanted,
        "message": "",
        "replicas": [
            {"state": state, "pid": pid, "start_time_s": 100.0 + number}
            for number, (state, pid) in enumerate(replicas)
        ],
    }
    return {"status": status, "message": message, "deployments": {"engine": deployment}}


def status_of(app: dict[str, Any] | None, *, warming: bool = False) -> PoolStatus:
    return status_by(app, lambda replica: WARMING if warming else Said())


def status_by(app: dict[str, Any] | None, said: Saying) -> PoolStatus:
    answer = {"applications": {} if app is None else {NAME: app}}
    (found,) = statuses([NAME], answer, said)
    return found


@pytest.mark.parametrize(
    ("app", "warming", "phase"),
    [
        pytest.param(None, False, Phase.WAITING, id="Ray has not heard of it"),
        pytest.param(
            {"status": "DEPLOYING", "message": "", "deployments": {}},
            False,
            Phase.BUILDING,
            id="no replica yet",
        ),
        pytest.param(
            application("DEPLOYING", ("STARTING", None)), False, Phase.PLACING, id="place"
        ),
        pytest.param(application("DEPLOYING", ("STARTING", 7)), False, Phase.STARTING, id="start"),
        pytest.param(application("DEPLOYING", ("STARTING", 7)), True, Phase.WARMING, id="warm up"),
        pytest.param(
            application("DEPLOYING", ("RUNNING", 6), ("STARTING", 7)),
            False,
            Phase.STARTING,
            id="one of two runs",
        ),
        pytest.param(application("RUNNING", ("RUNNING", 7)), False, Phase.READY, id="ready"),
        pytest.param(application("DEPLOY_FAILED"), False, Phase.FAILED, id="failed"),
    ],
)
def test_the_phase_follows_from_the_answer(
    app: dict[str, Any] | None, warming: bool, phase: Phase
) -> None:
    assert status_of(app, warming=warming).phase is phase


def test_weights_on_their_way_are_a_phase_with_its_progress() -> None:
    app = application("DEPLOYING", ("STARTING", 7))
    found = status_by(app, lambda replica: Said(noted=Noted("40% of 1.00 GiB")))
    assert (found.phase, found.note, found.held) == (Phase.FETCHING, "40% of 1.00 GiB", False)
    assert not found.is_settled


def test_what_was_noted_of_weights_is_past_once_they_are_there() -> None:
    fetched = Said((Mark(Step.FETCHED, 104.0),), Noted("100% of 1.00 GiB"))
    found = status_by(application("DEPLOYING", ("STARTING", 7)), lambda replica: fetched)
    assert (found.phase, found.note) == (Phase.STARTING, None)


def test_of_several_replicas_the_one_that_cannot_go_on_is_told() -> None:
    words = {7: Noted("40% of 1.00 GiB"), 8: NO_HUB}
    app = application("DEPLOYING", ("STARTING", 7), ("STARTING", 8), wanted=2)
    found = status_by(app, lambda replica: Said(noted=words[replica["pid"]]))
    assert (found.note, found.held, found.is_settled) == (NO_HUB.text, True, True)
    assert found.trouble == NO_HUB.text


@pytest.mark.parametrize(
    ("status", "settled", "trouble"),
    [
        ("RUNNING", True, None),
        ("DEPLOY_FAILED", True, "no such folder"),
        ("DEPLOYING", False, None),
    ],
)
def test_only_what_is_settled_has_a_trouble(
    status: str, settled: bool, trouble: str | None
) -> None:
    found = status_of(application(status, ("RUNNING", 1), message="no such folder"))
    assert (found.is_settled, found.trouble) == (settled, trouble)


def test_what_is_written_for_a_person_is_told_without_the_trace_before_it() -> None:
    trace = (
        "Traceback:\n  File ...\nserving.pools.weights.NoWeights: answers 404\nis the name right?\n"
    )
    found = status_of(application("DEPLOY_FAILED", message=trace))
    assert found.why == "answers 404\nis the name right?"


def test_the_start_is_the_newest_replicas() -> None:
    app = application("DEPLOYING", ("RUNNING", 6), ("STARTING", 7), ("STARTING", None))
    first, second = status_of(app, warming=True).start
    assert (first.begin_s, first.seconds) == (0, 4)
    assert (second.begin_s, second.seconds) == (4, 2)


def test_replicas_are_counted() -> None:
    app = application("UNHEALTHY", ("RUNNING", 1), ("STARTING", 2), wanted=2)
    assert (status_of(app).ready, status_of(app).wanted) == (1, 2)


def test_the_reason_is_the_end_of_the_longest_message() -> None:
    trace = "\n".join(f"line {number}" for number in range(40)) + "\nValueError: no such folder\n"
    app = application("DEPLOY_FAILED", message="short")
    app["deployments"]["engine"]["message"] = trace
    why = status_of(app).why
    assert why is not None
    assert why.endswith("ValueError: no such folder")
    assert len(why.splitlines()) == 12


def test_the_reason_begins_with_its_own_words() -> None:
    message = "ValidationError: 1 validation error\n  Value error, max_model_len is too large"
    why = status_of(application("DEPLOY_FAILED", message=message)).why
    assert why == "ValidationError: 1 validation error\n  max_model_len is too large"


def test_no_message_is_no_reason() -> None:
    assert status_of(application("RUNNING", ("RUNNING", 1))).why is None
