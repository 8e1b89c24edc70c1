"""docs/installed.md: the pocket profile, installed and started, measured.

    KUBEBUILDER_ASSETS=FOLDER python -m tests.install.started.document > docs/installed.md

It needs root (namespaces), in FOLDER/images what `python -m tests.install.images FOLDER/images
gateway cpu` has built, and about ten minutes.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.install import images
from tests.install.helm import Helm
from tests.install.server import ApiServer
from tests.install.started import release
from tests.install.started.cluster import Cluster, cluster
from tests.install.started.load import Made, Trial, bare, sdk_streams, sdk_whole, under_load

COMMAND: Final = "KUBEBUILDER_ASSETS=FOLDER python -m tests.install.started.document"
NEEDED: Final = {"bifocal-gateway", "bifocal-cpu"}
"""Images."""
LEAVES: Final = "a gateway leaves (its pod is deleted)"
KILLED: Final = "a gateway is killed (SIGKILL)"
TRIALS: Final[tuple[tuple[str, Callable[[Cluster], object], Made], ...]] = (
    ("a second replica (`helm upgrade`)", partial(release.scale, number=2), bare),
    (
        "another configuration of a pool of two (`helm upgrade`)",
        partial(release.roll, max_num_seqs=40),
        bare,
    ),
    (LEAVES, release.lose_gateway, bare),
    (KILLED, release.kill_gateway, bare),
    (f"{KILLED}; streams of OpenAI's SDK", release.kill_gateway, sdk_streams),
    (f"{KILLED}; whole answers of OpenAI's SDK", release.kill_gateway, sdk_whole),
    (
        "back to one replica (`helm upgrade`)",
        partial(release.scale, number=1, engine={"max_num_seqs": 40}),
        bare,
    ),
)
"""What is done under load, how, and by which clients."""
TEST: Final = "python -m pytest tests/install/test_started.py"


@dataclass(frozen=True, slots=True)
class Measured:
    start: release.Start
    trials: dict[str, Trial]
    test_s: float
    left_s: float
    """A gateway that was asked to leave, until it had ended."""
    gone_s: float
    """After `helm uninstall`, until the last pod had ended and nothing was left."""


def measured(of: Cluster) -> Measured:
    start = release.install(of)
    _say("started", start)
    test_s = of.until(lambda: "Succeeded" in release.helm_test(of), "helm test", 200)
    trials: dict[str, Trial] = {}
    for name, act, made in TRIALS:
        trials[name] = under_load(of, partial(act, of), made)
        _say(name, trials[name])
    return Measured(start, trials, test_s, trials[LEAVES].took_s, release.uninstall(of))


def _say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def start_table(start: release.Start) -> list[str]:
    rows = (
        ("the objects are stored", start.installed_s),
        ("the Job has made the keys", start.secrets_s),
        ("Ray's head is ready", start.head_s),
        ("its worker is", start.worker_s),
        ("a gateway is: a pool answers", start.gateway_s),
        ("the first answer through the Service", start.answer_s),
        ("both pools have answered", start.both_s),
    )
    lines = ["| after `helm install` | s |", "|---|---|"]
    return lines + [f"| {what} | {seconds:.0f} |" for what, seconds in rows]


def trials_table(trials: dict[str, Trial]) -> list[str]:
    lines = [
        "| under load | took, s | requests | asked again by the SDK | lost | cut | refused "
        "| slowest answer, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, trial in trials.items():
        lost = trial.losses
        asked = lost.whole + lost.lost + lost.cut + lost.refused + lost.error_events
        cut = lost.cut + lost.error_events
        lines.append(
            f"| {name} | {trial.took_s:.0f} | {asked} | {trial.again} | {lost.lost} | {cut} "
            f"| {lost.refused} | {trial.longest_s:.1f} |"
        )
    return lines


def text(found: Measured, machine: str) -> str:
    return f"""# Installed

The chart's pocket profile on a real API server: etcd, kube-apiserver and the controllers run, and
KubeRay's and prometheus-operator's definitions are there. No kubelet runs here, no network of
containers and no KubeRay: what they would do, `tests/install/started` does with the objects as the
API server stored them. Each container is a process tree in namespaces of its own, on the files of
the image that was built of `deploy/image` ([images.md](images.md)), as user 1000, without a
capability, on a read-only root, with its own volumes, variables, probes and address; a Service's
address is a forwarder that follows its Endpoints; the pods of a RayService are those that KubeRay
v1.7.0 makes. Not there: limits of CPU and memory, NetworkPolicies, DNS.

Made by `{COMMAND} > docs/installed.md` on {machine}; `{TEST}` asserts what matters of it.
The objects themselves are counted in [chart.md](chart.md).

## Start

From nothing, with no step by hand; the goal is an answer within 120 s.

{chr(10).join(start_table(found.start))}

`helm test` asks a question that is thought through and one that is not: {found.test_s:.0f} s.

## Changes under load

Five clients, four of them of the pool that is changed, ask again as soon as they have an answer,
through the gateway's Service; load begins before each change and ends after it. Lost: no answer and
no honest refusal. Cut: a stream that ended early, or in an error.

{chr(10).join(trials_table(found.trials))}

`kubectl delete pod`, a drained node and a roll-out all ask a gateway to leave: it finishes what it
has and loses nothing; {found.left_s:.0f} s from the deletion of its pod until another one was ready
in its place. SIGKILL, as when a node or its memory is gone, takes with it what the process held,
since nobody is left to end a stream in order. What is lost then is up to the client: OpenAI's SDK
asks again, twice by default, whatever has no answer yet, so it loses no whole answer; a stream that
had begun is cut, and only its program can ask for it anew.

After `helm uninstall` the last pod, Ray's head, had ended and nothing was left of the release
within {found.gone_s:.0f} s. No pod was killed at the end of its grace; this profile declares no
volume.
"""


def main() -> None:
    assets = Path(os.environ["KUBEBUILDER_ASSETS"])
    built = images.found(assets / "images")
    if missing := NEEDED - built.keys():
        sys.exit(f"{assets / 'images'}: no {', '.join(sorted(missing))}; see `{images.COMMAND}`")
    cores = os.cpu_count()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(ApiServer(assets, folder))
        for crd in sorted((assets / "crds").glob("*.yaml")):
            server.define(crd)
        helm = Helm(assets / "helm", folder, server.kubeconfig)
        found = measured(stack.enter_context(cluster(server, helm, built)))
        print(text(found, f"{cores} cores"), end="")


if __name__ == "__main__":
    main()
