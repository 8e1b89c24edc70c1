"""Weights as a pool's replica has them fetched."""

import asyncio
from pathlib import Path

import pytest

from deploy.weights import web
from deploy.weights.fetcher import Puller
from serving.pools.weights import NotNow, NoWeights, Wanted
from tests.deploy.weights.loopback import COMMIT, SHARD, Cut, Loopback


class Notes(list[str]):
    def __call__(self, text: str, *, held: bool = False) -> None:
        self.append(text)


@pytest.fixture
def wanted(fake: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    """On a node whose own environment says otherwise."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    env = {"BIFOCAL_WEIGHTS": str(tmp_path / "store"), "HF_ENDPOINT": fake.url}
    return Wanted("hf://acme/tiny@main", env | {"HF_HUB_OFFLINE": "0"})


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TRIES", 1)


def gone(wanted: Wanted) -> Wanted:
    return Wanted(wanted.source, wanted.env | {"HF_ENDPOINT": "http://127.0.0.1:9"})


async def test_a_branch_becomes_the_commit_that_it_is_now(wanted: Wanted) -> None:
    assert (await Puller().pinned(wanted)).source == f"hf://acme/tiny@{COMMIT}"


@pytest.mark.usefixtures("_impatient")
async def test_a_branch_that_no_hub_explains_stays_one(wanted: Wanted) -> None:
    assert await Puller().pinned(gone(wanted)) == gone(wanted)


async def test_what_is_cut_at_40_percent_is_whole_in_the_end(
    fake: Loopback, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.faults = [lambda request, body: Cut(len(body) * 2 // 5)]
    waits: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", _at_once(waits))
    notes = Notes()
    folder = await Puller().fetched(wanted, notes)
    assert (Path(folder) / "model.safetensors").read_bytes() == SHARD
    assert fake.ranges == [None, f"bytes={len(SHARD) * 2 // 5}-"]
    assert notes[-1].startswith("100% of 2.0 MiB")
    assert waits


def _at_once(waits: list[float]):  # type: ignore[no-untyped-def]
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0.1 if seconds == 0.1 else 0)  # the hub's own before it cuts

    return slept


async def test_replicas_of_one_node_download_once(fake: Loopback, wanted: Wanted) -> None:
    first, second = await asyncio.gather(*(Puller().fetched(wanted, Notes()) for _ in "12"))
    assert first == second
    assert fake.sent["model.safetensors"] == len(SHARD)


@pytest.mark.usefixtures("_impatient")
async def test_a_hub_that_is_out_of_reach_may_come_back(wanted: Wanted) -> None:
    with pytest.raises(NotNow, match=r"127.0.0.1:9 is out of reach(.|\n)*HF_ENDPOINT"):
        await Puller().fetched(gone(wanted), Notes())


@pytest.mark.usefixtures("_impatient")
async def test_without_its_hub_a_branch_is_what_it_was(wanted: Wanted) -> None:
    folder, notes = await Puller().fetched(wanted, Notes()), Notes()
    assert await Puller().fetched(gone(wanted), notes) == folder
    assert notes[-1].endswith(f"{folder} is what main was")


async def test_on_a_full_disk_there_may_be_room_later(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.weights.download.free_at", lambda folder: 1024**2)
    with pytest.raises(
        NotNow, match=r"too small: needs 2.0 MiB, 1.0 MiB free(.|\n)*weights.folder"
    ):
        await Puller().fetched(wanted, Notes())


async def test_what_the_hub_does_not_have_will_not_come(wanted: Wanted) -> None:
    with pytest.raises(NoWeights, match="answers 404") as failed:
        await Puller().fetched(Wanted("hf://acme/tiny@nowhere", wanted.env), Notes())
    assert not isinstance(failed.value, NotNow)


async def test_a_token_of_the_node_is_not_sent_in_the_open(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    away = Wanted(wanted.source, wanted.env | {"HF_ENDPOINT": "http://mirror.example"})
    with pytest.raises(NoWeights, match="not encrypted") as failed:
        await Puller().fetched(away, Notes())
    assert "secret" not in str(failed.value)
