"""A data-parallel replica that is replaced answers out, as every other one does.

Its engines are a gang to Ray Serve: none takes a step without the others. When their pool gets
another version Serve kills all of a gang at once, whatever they answer, while it lets single
engines finish. Here it lets a gang finish, too; and since an engine that is done may still be
needed for the steps of another, each stays until no engine of its gang has work (`server`).

Called by Serve's controller as it starts, by the name in `HOOK`. A gang that fails is still killed
at once. For Ray 2.60; told in `docs/upstream/gang-stop.md`.
"""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

VERSION: Final = "2.60."
HOOK: Final[Mapping[str, str]] = MappingProxyType(
    {"RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": f"{__name__}.let_finish"}
)
"""For the environment of the head."""
REPLACES: Final = ("_stop_or_update_outdated_version_replicas", "_stop_old_replicas")
_FLAG: Final = "_bifocal_replaces"

logger = logging.getLogger(__name__)


def let_finish() -> None:
    import ray  # noqa: PLC0415  # who only wants the name of it, as the head, waits for no import
    from ray.serve._private.deployment_state import DeploymentState  # noqa: PLC0415

    if not ray.__version__.startswith(VERSION):
        logger.warning("gangs are left to Ray %s: this is for %sx", ray.__version__, VERSION)
        return
    mend(DeploymentState)


def mend(owner: type) -> None:
    for method in REPLACES:
        wrap(owner, method, _replacing)
    wrap(owner, "_stop_replica", _finishing)


def _replacing(method: Callable[..., Any]) -> Callable[..., Any]:
    """What it stops makes room for another version."""

    def replace(self: Any, *given: Any, **named: Any) -> Any:
        setattr(self, _FLAG, True)
        try:
            return method(self, *given, **named)
        finally:
            setattr(self, _FLAG, False)

    return replace


def _finishing(method: Callable[..., Any]) -> Callable[..., Any]:
    """One that has not started yet has nothing to finish."""

    def stop(self: Any, replica: Any, graceful_stop: bool = True) -> Any:
        answers = replica.actor_details.state == "RUNNING"
        return method(self, replica, graceful_stop or (answers and getattr(self, _FLAG, False)))

    return stop
