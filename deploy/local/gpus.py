"""Whether this machine has a GPU that an engine could open, by what a driver leaves to be seen.

Which kind it is, and whether it has room, is the engine's to check.
"""

import shutil
from pathlib import Path
from typing import Final

DEVICES: Final = ("dev/nvidia[0-9]*", "dev/dxg", "dev/kfd")
"""NVIDIA's; Windows' for its Linux; AMD's."""
DRIVER: Final = "proc/driver/nvidia/version"
REMEDY: Final = (
    "install NVIDIA's driver (`nvidia-smi` then lists the GPUs), start a container with "
    "`--gpus all`, or put the models on a group of kind cpu"
)


def why_none(root: Path = Path("/"), path: str | None = None) -> str | None:
    """What was looked for in vain; None where there is a GPU. `path` is PATH, for another one."""
    if any(found for pattern in DEVICES for found in root.glob(pattern)):
        return None
    if (root / DRIVER).exists():
        return f"NVIDIA's driver is loaded (/{DRIVER}), but there is no /dev/nvidia0"
    smi = shutil.which("nvidia-smi", path=path)
    return f"no /dev/nvidia*, no NVIDIA driver, {f'though {smi}' if smi else 'no nvidia-smi'}"
