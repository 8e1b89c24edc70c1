"""`kubectl`, as whoever calls us has it: their contexts, their rights, their plug-ins to log in.

So we need no client of our own, and may do in a cluster what they may, no more.
"""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, cast

from deploy.failure import Exit, Failure

ANSWER_WITHIN_S: Final = 60
FORWARD_WITHIN_S: Final = 20.0
_FORWARDS: Final = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+) ->")
_NO_CONTEXT: Final = re.compile(r"context was not found|context \".*\" does not exist")


class Refused(Failure):
    """What kubectl, or the API server through it, does not do."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Of one context and, where given, one namespace."""

    context: str
    namespace: str | None = None

    def json(self, *arguments: str) -> Any:
        """Raises Refused."""
        return json.loads(self.run(*arguments, "--output", "json"))

    def run(self, *arguments: str, given: str | None = None) -> str:
        """What it prints; `given` is its standard input. Raises Refused."""
        try:
            done = subprocess.run(  # noqa: S603  # the user's own kubectl
                self._command(*arguments),
                input=given,
                capture_output=True,
                text=True,
                timeout=ANSWER_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            what = f"kubectl {arguments[0]}: no answer within {ANSWER_WITHIN_S} s"
            raise Refused(Exit.NOT_RUNNING, what, self._remedy) from None
        if done.returncode:
            raise self._refused(arguments[0], done.stderr)
        return done.stdout

    @contextmanager
    def forward(self, what: str, port: int) -> Iterator[int]:
        """A free port of this machine that leads to `what` (`service/NAME`) as long as this lasts.
        Raises Refused."""
        command = self._command("port-forward", what, f":{port}", "--address", "127.0.0.1")
        process = subprocess.Popen(  # noqa: S603  # the user's own kubectl
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        late = threading.Timer(FORWARD_WITHIN_S, process.kill)
        # It says a line for each connection, which someone must read.
        reader = threading.Thread(target=process.communicate, daemon=True)
        try:
            late.start()
            found = _FORWARDS.search(cast(IO[bytes], process.stdout).readline())
            late.cancel()
            if found is None:
                process.terminate()
                _, said = process.communicate()
                raise self._refused(f"port-forward {what}", said.decode(errors="replace"))
            reader.start()
            yield int(found[1])
        finally:
            late.cancel()
            process.terminate()
            process.wait()
            if reader.is_alive():
                reader.join()

    def _command(self, *arguments: str) -> list[str]:
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            what = "--context: there is no `kubectl` on the PATH"
            raise Refused(Exit.BAD_INPUT, what, "install it, or give --url and BIFOCAL_KEY")
        where = [] if self.namespace is None else ["--namespace", self.namespace]
        return [kubectl, "--context", self.context, *where, *arguments]

    def _refused(self, verb: str, said: str) -> Refused:
        lines = [line for line in said.strip().splitlines() if not line.startswith(("E", "W"))]
        last = (lines or said.strip().splitlines() or ["it says nothing"])[-1]
        if _NO_CONTEXT.search(last):
            what = f"--context: there is no {self.context} in the kubeconfig"
            return Refused(Exit.BAD_INPUT, what, f"there are: {', '.join(contexts()) or 'none'}")
        return Refused(Exit.NOT_RUNNING, f"kubectl {verb}: {last}", self._remedy)

    @property
    def _remedy(self) -> str:
        where = "" if self.namespace is None else f" --namespace {self.namespace}"
        return f"try `kubectl --context {self.context}{where} get pods`"


def contexts() -> list[str]:
    """Names of those that the kubeconfig has; nothing where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return []
    done = subprocess.run(  # noqa: S603  # the user's own kubectl
        [kubectl, "config", "get-contexts", "--output", "name"],
        capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False,
    )  # fmt: skip
    return done.stdout.split()
