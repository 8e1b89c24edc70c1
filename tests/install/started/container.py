"""One container: an image's files, read-only, with volumes mounted, as Pod Security "restricted"
has it, and its command as the first process of namespaces of its own.

Its files are those of the image, if that was built (`tests.install.images`). Else what stands for
them is what `deploy/image` puts into it: the system's `/usr` and `/etc`, the environment that the
tests run in at `/opt/bifocal`, and the pocket models below that. Limits of CPU and memory are not
enforced.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from deploy import pocket
from tests.e2e.nodes import Space
from tests.install.images import Image

IMAGE_ENV: Final = {
    "PATH": "/opt/bifocal/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "LANG": "C.UTF-8",
}
"""Of the stand-in, as the Dockerfiles have it."""
REPOSITORY: Final = Path(__file__).parents[3]
OPEN_FILES: Final = 1_048_576
"""As container runtimes have it; a machine may allow less."""
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")

_BUILT: Final = """
mount -t overlay -o "lowerdir=$IMAGE,upperdir=$OVER/upper,workdir=$OVER/work" overlay "$ROOT"
cd "$ROOT"
"""
_STAND_IN: Final = """
mount -t tmpfs -o mode=755 tmpfs "$ROOT"
cd "$ROOT"
mkdir proc sys dev etc usr tmp run var opt
for name in bin sbin lib lib32 lib64; do
  if [ -L /$name ]; then ln -s "$(readlink /$name)" $name
  elif [ -d /$name ]; then mkdir $name; bound /$name $name; fi
done
bound /usr usr
cp -a /etc/. etc
sed -i "/^[^:]*:[^:]*:1000:/d" etc/passwd
mkdir -p opt/bifocal
for each in "$VENV"/*; do
  name=opt/bifocal/$(basename "$each")
  if [ -d "$each" ]; then mkdir "$name"; else : > "$name"; fi
  bound "$each" "$name"
done
mkdir -p opt/bifocal/models
bound "$MODELS" opt/bifocal/models
"""
_LENT: Final = """
for each in "$REPOSITORY" "$BASE"; do
  case $each in /usr/*) ;; *) mkdir -p ".$each"; bound "$each" ".$each" ;; esac
done
"""
"""Of the stand-in. Last, since a volume may be mounted over where they lie."""


def _script(begin: str, last: str) -> str:
    """Makes the files of a container, and is in them at its end."""
    return f"""
ulimit -Hn {OPEN_FILES} 2> /dev/null || :
mount --make-rprivate /
mount -t tmpfs tmpfs "$OVER"
mkdir "$OVER/upper" "$OVER/work"
bound() {{ mount --rbind "$1" "$2"; mount -o remount,bind,ro "$2"; }}
{begin}
mkdir .old
rm -f etc/resolv.conf etc/hosts
touch etc/resolv.conf etc/hosts
bound /sys sys
mount --bind "$HOSTS" etc/hosts
mount -t tmpfs -o mode=755 tmpfs dev
for name in {" ".join(_DEVICES)}; do : > dev/$name; mount --bind /dev/$name dev/$name; done
ln -s /proc/self/fd dev/fd
mkdir dev/shm
while read -r source target mode; do
  target=$(chroot . realpath -m "$target") # `/var/run` may be a link
  mkdir -p ".$target"
  case $source in
    memory) mount -t tmpfs -o mode=1777 tmpfs ".$target" ;;
    *) mount --bind "$source" ".$target" ;;
  esac
  [ "$mode" = rw ] || mount -o remount,bind,ro ".$target"
done < "$MOUNTS"
{last}
mount -t proc proc proc
[ "$READ_ONLY" = no ] || mount -o remount,ro "$ROOT"
pivot_root . .old
umount -l .old
cd /
"""


_BECOME: Final = """exec setpriv --reuid "$1" --regid "$2" --clear-groups --no-new-privs \
--inh-caps=-all --ambient-caps=-all --bounding-set=-all -- env -i -- "${@:3}"
"""


@dataclass(frozen=True, slots=True)
class Mount:
    """Of a volume; one of memory has no source."""

    source: Path | None
    target: str
    writable: bool

    @property
    def line(self) -> str:
        return f"{self.source or 'memory'} {self.target} {'rw' if self.writable else 'ro'}\n"


@dataclass(frozen=True, slots=True)
class Who:
    """Whom it runs as."""

    user: int = 0
    group: int = 0
    read_only: bool = False


class Container:
    """Runs from its making until it ends, or its pod does."""

    def __init__(
        self,
        pod: Space,
        folder: Path,
        name: str,
        command: Sequence[str],
        *,
        env: dict[str, str],
        mounts: Sequence[Mount],
        who: Who,
        hosts: Path,
        image: Image | None = None,
    ) -> None:
        self._pod, self._who = pod, who
        self._env = (image.config.env if image else IMAGE_ENV) | env
        root, over = folder / f"{name}-root", folder / f"{name}-over"
        for each in (root, over):
            each.mkdir(exist_ok=True)
        (table := folder / f"{name}-mounts").write_text("".join(each.line for each in mounts))
        self.log = folder / f"{name}.log"
        settings = {
            "ROOT": str(root), "HOSTS": str(hosts), "MOUNTS": str(table),
            "VENV": sys.prefix, "BASE": sys.base_prefix, "REPOSITORY": str(REPOSITORY),
            "MODELS": str(pocket.folder(pocket.NAMES[0]).parent),
            "READ_ONLY": "yes" if who.read_only else "no", "PATH": os.environ["PATH"],
            "OVER": str(over), "IMAGE": str(image.root) if image else "",
        }  # fmt: skip
        script = _script(_BUILT, "") if image else _script(_STAND_IN, _LENT)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._enter(pod.pid, "--net", "--ipc", "--uts"),
                 "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL",
                 "bash", "-ec", script + _BECOME, "bash", *self._identity(), *command],
                env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _enter(self, pid: int, *spaces: str) -> list[str]:
        return ["nsenter", "--target", str(pid), *spaces, "--"]

    def _identity(self) -> list[str]:
        variables = [f"{name}={value}" for name, value in self._env.items()]
        return [str(self._who.user), str(self._who.group), *variables]

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def first(self) -> psutil.Process | None:
        """Its process 1, by this machine's ids; None before it is there and after it has ended."""
        try:
            # setpriv and nsenter become what they start, so this is `unshare`.
            children = psutil.Process(self._process.pid).children()
        except psutil.NoSuchProcess:
            return None
        return children[0] if children else None

    def run(self, command: Sequence[str], timeout_s: float) -> bool:
        """Whether a command in it ends well in time, as a probe or a hook is run."""
        first = self.first
        if first is None:
            return False
        inside = self._enter(first.pid, "--net", "--ipc", "--uts", "--mount", "--pid")
        try:
            done = subprocess.run(
                [*inside, "bash", "-ec", _BECOME, "bash", *self._identity(), *command],
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def signal(self, number: signal.Signals) -> None:
        """To its first process, as a runtime stops a container."""
        first = self.first
        if first is not None:
            try:
                os.kill(first.pid, number)
            except ProcessLookupError:
                return

    def kill(self) -> None:
        """At once, with all that runs in it."""
        self.signal(signal.SIGKILL)
        self._process.wait(timeout=30)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended by then."""
        try:
            self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
