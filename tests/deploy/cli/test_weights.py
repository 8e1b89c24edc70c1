"""`bifocal weights` against a loopback hub in a thread of its own."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from deploy.cli.weights import Progress
from deploy.weights import MANIFEST
from tests.deploy.weights.loopback import COMMIT, REPOSITORY, Loopback, hub, listening


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[Loopback]:
    found, ready = Loopback(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with listening(found, hub(found)):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    ready.wait()
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    monkeypatch.setenv("BIFOCAL_WEIGHTS", str(tmp_path / "store"))
    yield found
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_pull_prints_the_folder_and_verify_and_list_know_it(bifocal, fake):
    done = bifocal("weights", "pull", REPOSITORY)
    assert done.code == 0, done.err
    folder = done.out.strip()
    assert folder.endswith(f"hf/{REPOSITORY}/{COMMIT}")
    assert f"--revision {COMMIT}" in done.err
    assert "100% of 2.0 MiB" in done.err
    verified = bifocal("weights", "verify", folder)
    assert (verified.code, verified.out) == (
        0,
        f"hf://{REPOSITORY}@{COMMIT}: 4 files, 2.0 MiB, all as they were\n",
    )
    assert bifocal("weights", "list").out == f"     2.0 MiB  {folder}\n"
    assert len(bifocal("weights", "seal", folder).out) == 65


def test_for_scripts_it_is_one_object(bifocal, fake):
    found = json.loads(bifocal("weights", "pull", REPOSITORY, "--json").out)
    assert (found["commit"], found["files"], found["finished"]) == (COMMIT, 4, True)
    assert found["downloaded_bytes"] == found["bytes"] > 2 * 1024**2
    (listed,) = json.loads(bifocal("weights", "list", "--json").out)
    assert listed == {**found, "downloaded_bytes": 0, "problem": None}
    listed.pop("problem")
    assert json.loads(bifocal("weights", "pull", REPOSITORY, "--offline", "--json").out) == listed


def test_a_broken_manifest_is_told_and_the_rest_listed(bifocal, fake, tmp_path):
    bifocal("weights", "pull", REPOSITORY)
    (broken := tmp_path / "store" / "hf" / "acme" / "other").mkdir()
    (broken / MANIFEST).write_text("{")
    done = bifocal("weights", "list")
    assert done.code == 1
    assert [line[:12].strip() for line in done.out.splitlines()] == ["broken", "2.0 MiB"]
    assert f"{broken / MANIFEST} is no manifest of weights" in done.err
    found = json.loads(bifocal("weights", "list", "--json").out)
    assert [each["problem"] is None for each in found] == [False, True]


def test_a_changed_byte_fails_the_check(bifocal, fake, tmp_path):
    bifocal("weights", "pull", REPOSITORY, "--to", str(tmp_path / "here"))
    (tmp_path / "here" / "tokenizer.json").write_bytes(b"[]")
    done = bifocal("weights", "verify", str(tmp_path / "here"))
    assert done.code == 1
    assert "tokenizer.json: expected sha256" in done.out
    found = json.loads(bifocal("weights", "verify", str(tmp_path / "here"), "--json").out)
    assert len(found["problems"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pull", "Qwen3-8B"), 2, "a source is org/name"),
        (("pull", "acme/none"), 1, "is the name right"),
        (("pull", REPOSITORY, "--offline"), 1, "is not on this disk"),
        (("verify", "none"), 2, "nothing to check it against"),
        (("seal", "none"), 2, "is no folder"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_code(bifocal, fake, arguments, code, said):
    done = bifocal("weights", *arguments)
    assert done.code == code
    assert said in done.err


def test_an_empty_store_is_said_to_be_empty(bifocal, fake, tmp_path):
    assert bifocal("weights", "list").out == f"none in {tmp_path / 'store'}\n"


def test_progress_in_a_log_is_a_line_now_and_then(capsys):
    progress = Progress()
    for done in range(0, 101, 10):
        progress.show(done * 1024**2, 100 * 1024**2)
    assert [line[:4] for line in capsys.readouterr().err.splitlines()] == ["  0%", "100%"]


def test_the_command_starts_without_the_client():
    code = "import sys, deploy.cli; print('aiohttp' in sys.modules, 'ray' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False False\n"
