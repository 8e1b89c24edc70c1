"""Builds images of `deploy/image`'s recipes, without a container engine, and unpacks them.

    python -m tests.install.images "$KUBEBUILDER_ASSETS/images" gateway cpu gpu

buildah runs the recipes in a chroot; it and debootstrap are Debian packages, and both need root.
The base here is Debian 12 with its own Python 3.11, where `build.sh` takes a slim image of Python
by its digest. Each image becomes a folder: its files below `rootfs`, and in `image.json` what a
runtime and docs/images.md ask of it. The gateway's takes a minute and a half, that of pools without
GPUs five and 15 GB of disk for a while, that of pools with GPUs ten and 40 GB.

pip finds packages where this machine's does: its settings, and the folders that these name, are
lent to the build. PIP_EXTRA_INDEX_URL, if it is set, stands for the recipe's.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

COMMAND: Final = "python -m tests.install.images FOLDER/images gateway cpu gpu"
ROOT: Final = Path(__file__).parents[2]
RECIPES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "gateway": ("gateway", {}),
    "cpu": ("pools", {"LOCK": "requirements-cpu.lock"}),
    "gpu": ("pools", {"LOCK": "requirements-gpu.lock"}),
}
"""Of an image: its Dockerfile, and what `build.sh` gives it."""
TOOLS: Final = ("buildah", "debootstrap")
INDEX: Final = "PIP_EXTRA_INDEX_URL"
BASE: Final = "localhost/base"
_PACKAGES: Final = "python3-venv,python-is-python3,ca-certificates"
_PIP: Final = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf")
_CERTIFICATES: Final = Path("/etc/ssl/certs")
_COUNT: Final = (
    "import importlib.metadata as it, json;"
    "print(json.dumps({each.name: each.version for each in it.distributions()}))"
)


@dataclass(frozen=True, slots=True)
class Config:
    """How a runtime starts it."""

    env: dict[str, str]
    user: str
    entrypoint: list[str]
    command: list[str]


@dataclass(frozen=True, slots=True)
class Image:
    folder: Path
    config: Config
    packages: dict[str, str]
    """Of Python, and their versions."""
    size: int
    """Bytes of its files, those of its base included."""
    base_size: int
    build_s: float
    """After the base was there."""
    builder: str

    @property
    def root(self) -> Path:
        return self.folder / "rootfs"


def found(folder: Path) -> dict[str, Image]:
    """Those that were unpacked there, by name: `bifocal-gateway`."""
    return {path.parent.name: _read(path) for path in sorted(folder.glob("*/image.json"))}


def _read(path: Path) -> Image:
    told = json.loads(path.read_text())
    return Image(path.parent, Config(**told.pop("config")), **told)


class Builder:
    """With a store of its own, for as long as it is open."""

    def __init__(self, store: Path) -> None:
        config = store / "storage.conf"
        driver = os.environ.get("STORAGE_DRIVER", "overlay")
        config.write_text(
            f'[storage]\ndriver = "{driver}"\n'
            f'graphroot = "{store}/graph"\nrunroot = "{store}/run"\n'
        )
        self._env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(config)}
        self._version = self("--version").split(" (")[0]
        self._base_size = self._base(store / "base")

    def __call__(self, *words: str | Path) -> str:
        """What buildah says. Raises CalledProcessError; the reason is on stderr."""
        done = subprocess.run(
            ["buildah", *map(str, words)],
            env=self._env, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def _base(self, root: Path) -> int:
        """Bytes of it."""
        command = ("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", root)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        # A slim image has none of these; the first is this machine's.
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        for name in ("lib/apt/lists", "cache/apt/archives"):
            shutil.rmtree(root / "var" / name)
        working = self("from", "scratch")
        self("add", "--quiet", working, root)
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", working)
        self("commit", "--quiet", "--rm", working, BASE)
        size = _size(root)
        shutil.rmtree(root)
        return size

    def image(self, name: str, into: Path) -> Image:
        began = time.monotonic()
        self._build(name)
        took = time.monotonic() - began
        working = self("from", "--pull-never", f"localhost/{name}")
        packages = self("run", "--isolation=chroot", working, "--", "python", "-c", _COUNT)
        root = self("mount", working)
        image = Image(
            into / f"bifocal-{name}", self._config(name), json.loads(packages),
            _size(Path(root)), self._base_size, round(took, 1), self._version,
        )  # fmt: skip
        _unpack(image, root)
        self("rm", working)
        return image

    def _build(self, name: str) -> None:
        recipe, given = RECIPES[name]
        arguments = {"BASE": BASE, **given}
        if INDEX in os.environ:
            arguments[INDEX] = os.environ[INDEX]
        self(
            "build", "--isolation=chroot", "--network=host",
            *(f"--volume={path}:{path}:ro" for path in _lent()),
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            f"--tag=localhost/{name}", f"--file=deploy/image/{recipe}.Dockerfile", ".",
        )  # fmt: skip

    def _config(self, name: str) -> Config:
        told = json.loads(self("inspect", "--type=image", f"localhost/{name}"))["OCIv1"]["config"]
        return Config(
            dict(line.split("=", 1) for line in told["Env"]),
            told.get("User", ""),
            told.get("Entrypoint") or [],
            told.get("Cmd") or [],
        )


@contextmanager
def builder() -> Iterator[Builder]:
    with tempfile.TemporaryDirectory(prefix="bfi-") as store:
        made = Builder(Path(store))
        try:
            yield made
        finally:
            made("rm", "--all")
            made("rmi", "--all", "--force")


def why_not() -> str | None:
    """Why no image can be built here."""
    if os.geteuid() != 0:
        return "a chroot needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"there is no {', no '.join(missing)}" if missing else None


def _lent() -> Iterator[Path]:
    """This machine's certificates, what its pip is told, and the folders that this names."""
    yield _CERTIFICATES
    for path in filter(Path.exists, _PIP):
        yield path
        named = (Path(word.removeprefix("file://")) for word in path.read_text().split())
        for place in named:
            if place.is_absolute() and place.is_dir():
                # The files of an index may lie beside it.
                yield place.parent if place.name == "simple" else place


def _unpack(image: Image, root: str) -> None:
    shutil.rmtree(image.folder, ignore_errors=True)
    image.folder.mkdir(parents=True)
    subprocess.run(("cp", "-a", root, image.root), check=True)
    told = asdict(image)
    del told["folder"]
    (image.folder / "image.json").write_text(json.dumps(told, indent=1))


def _size(folder: Path) -> int:
    """Bytes."""
    done = subprocess.run(("du", "-sb", folder), check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Build images, and unpack them into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=RECIPES, metavar="|".join(RECIPES))
    given = parser.parse_args(arguments)
    if reason := why_not():
        print(f"images: {reason}", file=sys.stderr)
        return 1
    with builder() as made:
        for name in given.names:
            image = made.image(name, given.folder)
            print(
                f"{image.folder}: {image.size / 1e6:.0f} MB, {len(image.packages)} packages of "
                f"Python, built in {image.build_s:.0f} s"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
