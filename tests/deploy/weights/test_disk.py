import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from deploy.failure import Exit, Failure
from deploy.weights import parse, pull, verify
from deploy.weights.disk import require
from tests.deploy.weights.loopback import REPOSITORY, SHARD

MIB = 1024**2


def test_what_fits_exactly_fits(tmp_path):
    require(MIB, MIB, tmp_path)


def test_what_does_not_fit_is_told_with_the_numbers(tmp_path):
    with pytest.raises(Failure) as failed:
        require(3 * 1024**3, MIB, tmp_path)
    assert failed.value.code is Exit.FAILED
    assert f"needs 3.0 GiB, 1.0 MiB free at {tmp_path}" in failed.value.what
    assert "weights.folder" in str(failed.value.remedy)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of `request.param` MiB."""
    mount = shutil.which("mount")
    at = tmp_path / "disk"
    at.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(at)]
    done = mount and subprocess.run([mount, *options], check=False, capture_output=True)
    if not done or done.returncode:
        pytest.skip("this user may not mount a file system")
    yield at
    subprocess.run(["umount", str(at)], check=True)


@pytest.mark.parametrize("small_disk", [1], indirect=True)
async def test_a_disk_that_is_too_small_is_told_before_the_first_byte(fake, settings, small_disk):
    with pytest.raises(Failure, match=r"needs 2\.0 MiB, 1\.0 MiB free at") as failed:
        await pull(parse(REPOSITORY), replace(settings, root=small_disk))
    assert str(small_disk) in failed.value.what
    assert not fake.sent


@pytest.mark.parametrize("small_disk", [3], indirect=True)
async def test_a_disk_that_others_fill_is_told_and_the_next_run_goes_on(fake, settings, small_disk):
    other = small_disk / "other"

    def filled(request: web.Request, body: bytes) -> None:
        other.write_bytes(bytes(3 * MIB // 2))

    fake.faults = [filled]
    here = small_disk / "here"
    with pytest.raises(Failure, match="the disk is full: ") as failed:
        await pull(parse(REPOSITORY), settings, to=here)
    assert "it goes on" in str(failed.value.remedy)
    other.unlink()
    fake.asked.clear()
    done = await pull(parse(REPOSITORY), settings, to=here)
    assert 0 < done.downloaded < len(SHARD)
    assert fake.ranges[0] is not None
    assert not verify(here).problems


async def test_a_folder_that_cannot_be_made_is_told(settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot be written: Not a directory"):
        await pull(parse(REPOSITORY), settings, to=tmp_path / "file" / "below")
