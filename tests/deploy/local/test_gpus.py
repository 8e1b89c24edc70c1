"""Whether there is a GPU, by what a driver leaves to be seen."""

from pathlib import Path

import pytest

from deploy.local.gpus import why_none


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param((), "no /dev/nvidia*, no NVIDIA driver, no nvidia-smi", id="nothing"),
        pytest.param(("dev/nvidia0", "dev/nvidiactl"), None, id="NVIDIA's device"),
        pytest.param(("dev/dxg",), None, id="Windows' device"),
        pytest.param(("dev/kfd",), None, id="AMD's device"),
        pytest.param(
            ("dev/nvidiactl", "proc/driver/nvidia/version"),
            "NVIDIA's driver is loaded (/proc/driver/nvidia/version), but there is no /dev/nvidia0",
            id="a container without its devices",
        ),
    ],
)
def test_a_gpu_is_its_device(tmp_path: Path, files: tuple[str, ...], said: str | None) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert why_none(tmp_path, path="") == said
