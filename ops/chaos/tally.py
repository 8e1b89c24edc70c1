"""What a trial comes to: when it was found, when it was over, and what it cost whom. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ops.chaos.clients import Call, Ending
from ops.chaos.routing import Sight
from ops.chaos.trial import Trial


@dataclass(frozen=True, slots=True)
class Losses:
    """Requests, by how they ended."""

    whole: int
    refused: int
    """503 with Retry-After."""
    lost: int
    """Before the first byte, in any other way."""
    error_events: int
    cut: int

    @property
    def bad(self) -> int:
        """What should not be: neither answered nor honestly refused nor told in the stream."""
        return self.lost + self.cut


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds are counted from the signal; None where it did not come to that."""

    fault: str
    signal: str
    process: str
    out_of_routing_s: float | None
    """Until the gateway sent nothing more there."""
    answers_again_s: float | None
    """Until the first whole answer after the last failure; 0 where nothing failed."""
    restored_s: float | None
    """Until all replicas of the pool were in routing again."""
    victim: Losses
    others: Losses
    left: bool
    """Whether the process that was hit is still there."""
    told: dict[str, int]
    """What clients were told instead of an answer, and how often."""


def row(trial: Trial, victim: str, replicas: int) -> Row:
    ours = [call for call in trial.calls if call.pool == victim]
    away = _away(trial, victim, replicas)
    bad = [call for call in trial.calls if call.ending is not Ending.WHOLE]
    return Row(
        fault=trial.fault.name,
        signal=trial.fault.signal.name,
        process=trial.fault.role,
        out_of_routing_s=_since(trial, away),
        answers_again_s=_answers_again_s(trial, ours),
        restored_s=_since(trial, _back(trial.sights, victim, replicas, away)),
        victim=losses(ours, alone=replicas == 1),
        others=losses(call for call in trial.calls if call.pool != victim),
        left=trial.left,
        told=dict(Counter(f"{call.ending}: {call.told}" for call in bad)),
    )


def losses(calls: Iterable[Call], *, alone: bool = False) -> Losses:
    """`alone`: of a pool of one replica, beside which nobody could be asked."""
    count = Counter(call.ending for call in calls)
    told = count[Ending.NO_OTHER]
    return Losses(
        whole=count[Ending.WHOLE],
        refused=count[Ending.REFUSED],
        lost=count[Ending.LOST] + (0 if alone else told),
        error_events=count[Ending.ERROR_EVENT] + (told if alone else 0),
        cut=count[Ending.CUT],
    )


def _away(trial: Trial, pool: str, replicas: int) -> float | None:
    for sight in trial.sights:
        if sight.at >= trial.at and sight.answering.get(pool, 0) < replicas:
            return sight.at
    return None


def _back(sights: Sequence[Sight], pool: str, replicas: int, away: float | None) -> float | None:
    """The last time that it came back: it may come and go."""
    if away is None or not sights or sights[-1].answering.get(pool, 0) < replicas:
        return None
    short = [n for n, sight in enumerate(sights) if sight.answering.get(pool, 0) < replicas]
    return sights[short[-1] + 1].at


def _answers_again_s(trial: Trial, calls: Sequence[Call]) -> float | None:
    failures = [call.began for call in calls if call.ending is not Ending.WHOLE]
    if not failures:
        return 0.0
    later = [
        call.ended for call in calls if call.ending is Ending.WHOLE and call.began > max(failures)
    ]
    return _since(trial, min(later, default=None))


def _since(trial: Trial, moment: float | None) -> float | None:
    return None if moment is None else round(moment - trial.at, 1)
