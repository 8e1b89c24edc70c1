"""Weights pulled from a loopback hub, which does what hubs do on a bad day."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from deploy.failure import Exit, Failure
from deploy.weights import MANIFEST, Pulled, Settings, Told, parse, pull, verify
from deploy.weights.download import to_its_end
from deploy.weights.web import TRIES
from tests.deploy.weights.loopback import (
    COMMIT,
    FILES,
    OTHER,
    REPOSITORY,
    SHARD,
    TAKEN,
    Cut,
    Loopback,
    hub,
    listening,
    sha256,
)

SIZE = sum(len(FILES[name]) for name in TAKEN)
AT_40 = len(SHARD) * 2 // 5


def cut_at_40(request: web.Request, body: bytes) -> Cut:
    return Cut(AT_40)


def one_wrong_byte(request: web.Request, body: bytes) -> bytes:
    return body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]


async def pulled(settings: Settings, revision: str = "main", **more: object) -> Pulled:
    return await pull(parse(REPOSITORY, revision), settings, **more)  # type: ignore[arg-type]


def begin(range_header: str | None) -> int:
    assert range_header is not None
    return int(range_header.removeprefix("bytes=").removesuffix("-"))


def nearly_40(range_header: str | None) -> bool:
    """What was read ahead when the connection was cut is lost."""
    return AT_40 // 2 <= begin(range_header) <= AT_40


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


async def test_only_what_an_engine_reads_is_taken_and_all_of_it_is_right(fake, settings):
    done = await pulled(settings)
    assert done.folder == settings.root / "hf" / REPOSITORY / COMMIT
    assert names(done.folder) == TAKEN | {MANIFEST}
    assert {name: (done.folder / name).read_bytes() for name in TAKEN} == {
        name: FILES[name] for name in TAKEN
    }
    assert set(fake.sent) == TAKEN
    assert done.downloaded == SIZE
    assert not verify(done.folder).problems


async def test_the_manifest_says_where_every_byte_is_from(settings):
    done = await pulled(settings)
    found = json.loads((done.folder / MANIFEST).read_text())
    entry = {"name": "model.safetensors", "size": len(SHARD), "sha256": sha256(SHARD)}
    assert entry in found["files"]
    assert (found["origin"], found["repository"]) == ("hf", REPOSITORY)
    assert (found["revision"], found["commit"]) == ("main", COMMIT)


async def test_what_a_branch_stands_for_is_told(settings):
    said: list[str] = []
    await pulled(settings, told=Told(says=said.append))
    assert said == [f"hf://{REPOSITORY}@main is {COMMIT} now; pin it: --revision {COMMIT}"]


async def test_progress_ends_with_all(settings):
    seen: list[tuple[int, int]] = []
    await pulled(settings, told=Told(progress=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (SIZE, SIZE)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


async def test_a_connection_that_is_cut_at_40_percent_goes_on_there(fake, settings):
    fake.faults = [cut_at_40]
    done = await pulled(settings)
    whole, rest = fake.ranges
    assert whole is None
    assert nearly_40(rest)
    assert fake.sent["model.safetensors"] == len(SHARD) + AT_40 - begin(rest)
    assert done.downloaded == SIZE


async def test_a_hub_that_goes_away_is_told_and_the_next_run_goes_on(fake, settings):
    gone = [lambda request, body: web.Response(status=503)] * TRIES
    fake.faults = [cut_at_40, *gone]
    said: list[str] = []
    with pytest.raises(Failure, match="out of reach") as failed:
        await pulled(settings, told=Told(says=said.append))
    assert [line.rpartition("; ")[2] for line in said[1:]] == ["again in 0 s"] * (TRIES - 1)
    assert failed.value.code is Exit.NOT_RUNNING
    assert "HF_ENDPOINT" in str(failed.value.remedy)
    at = r"model\.safetensors at \d{3}\.\d KiB of 2\.0 MiB: it answers 503"
    assert re.search(at, failed.value.what)
    fake.faults, fake.asked = [], []
    done = await pulled(settings)
    (rest,) = fake.ranges
    assert nearly_40(rest)
    assert done.downloaded == len(SHARD) - begin(rest)
    assert not verify(done.folder).problems


async def test_a_file_that_changes_between_two_tries_is_begun_anew(fake, settings):
    """The ETag tells; such a hub breaks its promise that a commit stays what it is."""
    right = fake.files["model.safetensors"]

    def other_content(request: web.Request, body: bytes) -> Cut:
        fake.files["model.safetensors"] = right
        return Cut(AT_40)

    listing = fake.hub_listing()
    fake.listing, fake.files["model.safetensors"] = listing, bytes(len(right))
    fake.faults = [other_content]
    done = await pulled(settings)
    assert (done.folder / "model.safetensors").read_bytes() == right
    assert begin(fake.ranges[1]) > 0
    assert len(fake.ranges) == 2


async def test_an_answer_from_another_byte_on_is_not_taken(fake, settings):
    def another(request: web.Request, body: bytes) -> web.Response:
        return web.Response(
            status=206, body=body[1:], headers={"content-range": f"bytes 1-{len(body)}/*"}
        )

    fake.faults = [another]
    done = await pulled(settings)
    assert done.downloaded == SIZE


async def test_a_large_file_survives_any_number_of_cuts(fake, settings, monkeypatch):
    monkeypatch.setattr("deploy.weights.download._WORTH_A_TRY", 1000)
    fake.faults = [lambda request, body: Cut(100_000)] * (TRIES + 2)
    await pulled(settings)
    assert len(fake.ranges) == TRIES + 3


async def test_a_part_that_rots_on_the_disk_is_found_and_fetched_anew(fake, settings):
    fake.faults = [cut_at_40, *[lambda request, body: web.Response(status=503)] * TRIES]
    with pytest.raises(Failure):
        await pulled(settings)
    (part,) = settings.root.rglob("model.safetensors.*.part")
    part.write_bytes(bytes(AT_40))
    fake.faults = []
    done = await pulled(settings)
    assert (done.folder / "model.safetensors").read_bytes() == SHARD


async def test_a_wrong_byte_costs_one_more_try(fake, settings):
    fake.faults = [one_wrong_byte]
    done = await pulled(settings)
    assert fake.sent["model.safetensors"] == 2 * len(SHARD)
    assert not verify(done.folder).problems


async def test_a_byte_that_stays_wrong_is_told_with_both_digests_and_not_kept(fake, settings):
    fake.faults = [one_wrong_byte, one_wrong_byte]
    wrong = sha256(one_wrong_byte(None, SHARD))  # type: ignore[arg-type]
    with pytest.raises(Failure) as failed:
        await pulled(settings)
    said = f"model.safetensors: expected sha256 {sha256(SHARD)}, found {wrong}"
    assert said in failed.value.what
    folder = settings.root / "hf" / REPOSITORY / COMMIT
    assert not {name for name in names(folder) if name.startswith(("model", "bifocal"))}


async def test_a_small_file_is_checked_by_gits_own_digest(fake, settings):
    fake.listing = fake.hub_listing()
    fake.files["config.json"] = fake.files["config.json"].replace(b"Qwen3", b"Qwen2")
    with pytest.raises(Failure, match=r"config\.json: expected git-sha1 [0-9a-f]{40}, found"):
        await pulled(settings)


async def test_a_file_that_grows_beyond_its_size_is_refused(fake, settings):
    fake.listing = fake.hub_listing()
    fake.files["model.safetensors"] += b"more"
    with pytest.raises(Failure, match="sends more than the 2,097,152 bytes that were listed"):
        await pulled(settings)


async def test_a_finished_commit_needs_no_hub(fake, settings):
    done = await pulled(settings)
    away = replace(settings, hub="http://127.0.0.1:9")
    again = await pulled(away, COMMIT)
    assert (again.folder, again.downloaded) == (done.folder, 0)


async def test_offline_a_branch_is_what_it_was_when_it_was_last_pulled(fake, settings):
    await pulled(settings)
    fake.commit = OTHER
    newer = await pulled(settings)
    found = await pulled(replace(settings, offline=True))
    assert found.folder == newer.folder
    with pytest.raises(Failure, match="is not on this disk"):
        await pulled(replace(settings, offline=True), "dev")


async def test_offline_a_branch_is_known_that_has_led_to_what_was_there(settings):
    pinned = await pulled(settings, COMMIT)
    await pulled(settings, "main")
    assert (await pulled(replace(settings, offline=True))).folder == pinned.folder


async def test_a_hub_that_answers_with_another_commit_is_refused(fake, settings):
    fake.listing = {**fake.hub_listing(), "sha": OTHER}
    with pytest.raises(Failure, match=f"answers with commit '{OTHER}'"):
        await pulled(settings, COMMIT)


async def test_a_part_of_other_content_is_cleared_away(settings, tmp_path):
    (here := tmp_path / "here").mkdir()
    (here / "model.safetensors.0123456789ab.part").write_bytes(b"of a branch that has moved")
    (here / "thesis.part").write_bytes(b"somebody's")
    await pulled(settings, to=here)
    assert names(here) == TAKEN | {MANIFEST, "thesis.part"}


async def test_a_branch_that_moves_gets_a_folder_of_its_own(fake, settings):
    first = await pulled(settings)
    fake.commit, fake.files["config.json"] = OTHER, b'{"moved": true}'
    second = await pulled(settings)
    assert (first.folder.name, second.folder.name) == (COMMIT, OTHER)
    assert (first.folder / "config.json").read_bytes() == FILES["config.json"]


async def test_a_chosen_folder_that_holds_another_commit_is_left_alone(fake, settings, tmp_path):
    await pulled(settings, to=tmp_path / "here")
    fake.commit = OTHER
    with pytest.raises(Failure, match=f"holds hf://{REPOSITORY}@{COMMIT}"):
        await pulled(settings, to=tmp_path / "here")
    assert not verify(tmp_path / "here").problems


async def test_files_that_are_there_already_are_checked_and_kept(fake, settings, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    (here / "model.safetensors").write_bytes(SHARD)
    (here / "config.json").write_bytes(FILES["config.json"].replace(b"Qwen3", b"Qwen2"))
    await pulled(settings, to=here)
    assert "model.safetensors" not in fake.sent
    assert (here / "config.json").read_bytes() == FILES["config.json"]


async def test_a_recheck_mends_what_the_disk_has_changed(fake, settings):
    done = await pulled(settings)
    (done.folder / "model.safetensors").write_bytes(one_wrong_byte(None, SHARD))  # type: ignore[arg-type]
    assert (await pulled(settings)).downloaded == 0
    assert verify(done.folder).problems
    assert (await pulled(settings, recheck=True)).downloaded == len(SHARD)
    assert not verify(done.folder).problems


async def test_a_link_in_the_folder_is_not_followed(fake, settings, tmp_path):
    (outside := tmp_path / "outside").write_bytes(SHARD)
    (here := tmp_path / "here").mkdir()
    (here / "model.safetensors").symlink_to(outside)
    await pulled(settings, to=here)
    assert outside.read_bytes() == SHARD
    assert not (here / "model.safetensors").is_symlink()


async def test_a_link_in_place_of_a_part_is_not_written_through(fake, settings, tmp_path):
    (outside := tmp_path / "outside").write_bytes(b"precious")
    (here := tmp_path / "here").mkdir()
    (here / f"model.safetensors.{sha256(SHARD)[:12]}.part").symlink_to(outside)
    with pytest.raises(Failure, match="cannot be written"):
        await pulled(settings, to=here)
    assert outside.read_bytes() == b"precious"


async def test_a_token_is_sent_to_the_hub_alone_and_never_told(fake, settings):
    cdn = Loopback()
    async with listening(cdn, hub(cdn)):
        fake.token, fake.cdn = "hf_secret", cdn.url
        known = replace(settings, hub_token="hf_secret")
        said: list[str] = []
        done = await pulled(known, told=Told(says=said.append))
    assert not any("authorization" in request.headers for request in cdn.asked)
    assert all("authorization" in request.headers for request in fake.asked)
    assert "hf_secret" not in repr(known) + repr(done) + "".join(said)


@pytest.mark.parametrize("token", [None, "hf_another"])
async def test_a_gated_repository_says_how_to_get_in(fake, settings, token):
    fake.token = "hf_secret"
    with pytest.raises(Failure, match=r"access is refused \(401\)") as failed:
        await pulled(replace(settings, hub_token=token))
    assert f"{fake.url}/{REPOSITORY}, and set HF_TOKEN" in str(failed.value.remedy)
    assert ("the one that is set may not" in str(failed.value.remedy)) == (token is not None)
    assert "hf_another" not in failed.value.what + str(failed.value.remedy)


async def test_an_unknown_revision_is_told(settings):
    with pytest.raises(Failure, match=r"@dev on .*: answers 404 and says: Invalid rev id"):
        await pulled(settings, "dev")


async def test_a_revision_with_slashes_is_asked_for(settings):
    assert (await pulled(settings, "refs/pr/1")).manifest.commit == COMMIT  # type: ignore[union-attr]


async def test_a_hub_at_which_nobody_listens_is_told(settings):
    with pytest.raises(Failure, match=r"http://127\.0\.0\.1:9 is out of reach: .*\(6 tries"):
        await pulled(replace(settings, hub="http://127.0.0.1:9"))


async def test_a_hub_that_says_nothing_is_given_up(fake, settings):
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        away = replace(settings, hub=f"http://127.0.0.1:{port}", idle_s=0.05)
        with pytest.raises(Failure, match=r"out of reach: .*[Tt]imeout"):
            await pulled(away)


async def test_a_repository_without_safetensors_is_refused_by_what_it_has(fake, settings):
    del fake.files["model.safetensors"]
    with pytest.raises(Failure, match=r"top folder, only pytorch_model\.bin") as failed:
        await pulled(settings)
    assert "can run code" in str(failed.value.remedy)
    assert not fake.sent


@pytest.mark.parametrize(
    "name",
    [
        "../evil.safetensors", "/etc/evil.json", "a/../../evil.json", "..\\evil.json", "",
        "-rf.json", ".hidden.json", "a b.json", "evil\n.json", "evil\0.json", "x" * 300 + ".json",
    ],
)  # fmt: skip
async def test_a_name_that_leads_elsewhere_is_refused(fake, settings, tmp_path, name):
    fake.files[name] = b"{}"
    with pytest.raises(Failure, match="no name for a file here"):
        await pulled(settings)
    assert not fake.sent
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_a_digest_that_is_none_is_refused(fake, settings):
    listing = fake.hub_listing()
    for sibling in listing["siblings"]:
        if "lfs" in sibling:
            sibling["lfs"]["sha256"] = "../../../../evil"
    fake.listing = listing
    with pytest.raises(Failure, match="no sha256 digest"):
        await pulled(settings)


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        ([], "no listing"),
        ({"sha": COMMIT, "siblings": [{"rfilename": 3}]}, "no listing"),
        ({"sha": "main", "siblings": []}, "answers with commit 'main'"),
        ({"sha": COMMIT, "siblings": [{"rfilename": f"{n}.txt"} for n in range(10_001)]}, "10,001"),
        ({"sha": COMMIT, "siblings": [{"rfilename": "a.safetensors"}] * 2}, "a file twice"),
        ({"sha": COMMIT, "siblings": [{"rfilename": "a.safetensors"}]}, "no size or no digest"),
        ({"sha": COMMIT, "siblings": [{"rfilename": "x" * 17_000_000}]}, "more than 16 MiB"),
    ],
    ids=["list", "number", "no-commit", "many", "twice", "no-digest", "large"],
)
async def test_a_listing_that_is_none_is_refused(fake, settings, listing, said):
    fake.listing = listing
    with pytest.raises(Failure, match=said):
        await pulled(settings)


async def test_shards_that_the_index_names_must_be_there(fake, settings):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    fake.files["model.safetensors.index.json"] = json.dumps(index).encode()
    with pytest.raises(Failure, match=r"not whole: model-2\.safetensors: named by"):
        await pulled(settings)
    with pytest.raises(Failure, match="nothing to check it against"):
        verify(settings.root / "hf" / REPOSITORY / COMMIT)


PULL = """
import asyncio, os, sys
from deploy.weights import Settings, parse, pull
settings = Settings.of(os.environ)
done = asyncio.run(pull(parse(sys.argv[1]), settings))
print(done.downloaded)
"""


@pytest.mark.process
async def test_two_processes_at_once_download_once(fake, settings):
    fake.gate = asyncio.Event()
    env = {**os.environ, "HF_ENDPOINT": fake.url, "BIFOCAL_WEIGHTS": str(settings.root)}

    def start() -> "asyncio.Future[str]":
        command = [sys.executable, "-c", PULL, REPOSITORY]
        return asyncio.ensure_future(
            asyncio.to_thread(subprocess.check_output, command, env=env, text=True)
        )

    both = asyncio.gather(start(), start())
    while len(listings := [each for each in fake.asked if "/api/" in each.path]) < 2:
        assert not both.done()
        await asyncio.sleep(0.01)
    fake.gate.set()
    first, second = await both
    assert len(listings) == 2
    assert sorted([int(first), int(second)]) == [0, SIZE]
    assert fake.sent["model.safetensors"] == len(SHARD)


async def test_one_that_waits_says_so(fake, settings, monkeypatch):
    monkeypatch.setattr("deploy.weights.lock.LOOKS_EVERY_S", 0.01)
    said: list[str] = []
    told = Told(says=said.append)
    await asyncio.gather(*(pulled(settings, COMMIT, told=told) for _ in range(3)))
    assert len(said) == 2
    assert re.search(r"another process is filling .*; waiting for it", said[0])
    assert fake.sent["model.safetensors"] == len(SHARD)


async def test_a_write_is_done_before_its_file_is_closed():
    done, begun = threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        time.sleep(0.05)
        done.set()

    task = asyncio.ensure_future(to_its_end(write))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_one_that_is_stopped_leaves_a_part_that_is_gone_on_with(fake, settings):
    fake.faults = [cut_at_40]
    slow = replace(settings, backoff_s=30.0)
    task = asyncio.ensure_future(pulled(slow))
    while fake.sent["model.safetensors"] < AT_40:  # noqa: ASYNC110 - told by no event
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await pulled(settings)
    assert begin(fake.ranges[1]) > 0
