"""When a node's weights are asked for again, and what the replica says meanwhile."""

import pytest

from serving.pools import fetching
from serving.pools.start import said
from serving.pools.weights import Note, NotNow, NoWeights, Wanted

WANTED = Wanted("hf://acme/tiny@main", {})


class Fetcher:
    """Answers with what it was made of, one after the other."""

    def __init__(self, *answers: str | NoWeights) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def pinned(self, wanted: Wanted) -> Wanted:
        return Wanted("hf://acme/tiny@" + "a" * 40, wanted.env)

    async def fetched(self, wanted: Wanted, note: Note) -> str:
        self.asked.append(wanted.source)
        note("40% of 1.00 GiB")
        answer = self._answers.pop(0)
        if isinstance(answer, NoWeights):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "AGAIN_AFTER_S", 0.0)


async def test_the_folder_is_of_the_commit_that_the_branch_is() -> None:
    fetcher = Fetcher("/w")
    assert await fetching.fetched(WANTED, fetcher, ()) == "/w"
    assert fetcher.asked == ["hf://acme/tiny@" + "a" * 40]


async def test_what_may_mend_is_asked_again_and_told_meanwhile(
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = NotNow("the hub is out of reach\nname another")
    assert await fetching.fetched(WANTED, Fetcher(away, away, "/w"), ()) == "/w"
    told = capsys.readouterr().err
    assert told.count("bifocal held: the hub is out of reach; name another; trying again") == 2
    last = said(told).fetching
    assert last is not None
    assert (last.text, last.held) == ("40% of 1.00 GiB", False)


async def test_what_does_not_mend_is_not_asked_again() -> None:
    fetcher = Fetcher(NoWeights("no such model"), "/w")
    with pytest.raises(NoWeights, match="no such model"):
        await fetching.fetched(WANTED, fetcher, ())
    assert len(fetcher.asked) == 1
