"""docs/images.md: what `tests.install.images` has built.

python -m tests.install.images_document FOLDER/images > docs/images.md
"""

import sys
from pathlib import Path
from typing import Final

from tests.install.images import COMMAND, Image, found

STARTED: Final = {
    "bifocal-gateway": "the chart's gateway and Jobs ([installed.md](installed.md))",
    "bifocal-cpu": "a head and a worker with both pocket models ([installed.md](installed.md))",
    "bifocal-gpu": "`bifocal`, `ray`, the import of vLLM; without a GPU no engine",
}
"""What was run of each."""


def row(name: str, image: Image) -> str:
    own = image.size - image.base_size
    return (
        f"| `{name}` | {image.size / 1e6:,.0f} | {own / 1e6:,.0f} | {len(image.packages)} "
        f"| {image.build_s:.0f} | {STARTED[name]} |"
    )


def text(images: dict[str, Image]) -> str:
    rows = "\n".join(row(name, images[name]) for name in STARTED)
    (builder, *_) = (image.builder.replace("version ", "") for image in images.values())
    return f"""# Images

What the recipes of `deploy/image` give, built by {builder} in a chroot. No Docker engine runs
where this was written: what `build.sh` asks of `docker buildx` is tested, but neither it nor its
SBOM and its push to a registry were ever run. The base here is Debian 12 with its own Python
3.11, where `build.sh` takes a slim image of Python by its digest. Each package is one of the lock
file's, held against its hashes; the first process is nobody's (user 1000); what a build needs
does not stay.

Made by `{COMMAND}`, then
`python -m tests.install.images_document FOLDER/images > docs/images.md`.

| image | MB | without its base | packages of Python | built in, s | what was started of it |
|---|---|---|---|---|---|
{rows}

Built beside other work on two cores. `python -m pytest tests/install/test_image.py` looks through
what lies in `$KUBEBUILDER_ASSETS/images`: the packages against the lock file, the user, what a
build leaves, and what KubeRay and kubelets call (`bash`, `wget`, `ray`; `g++`, since torch and
Triton compile what they run).
"""


if __name__ == "__main__":
    print(text(found(Path(sys.argv[1]))), end="")
