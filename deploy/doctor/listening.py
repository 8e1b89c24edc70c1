"""Whether anything of a service that runs here listens where others can reach it. Pure."""

from collections.abc import Iterable

from deploy.doctor.finding import Finding, Verdict
from deploy.local.listeners import Listener, reason
from deploy.local.listening import name_of


def of_listeners(found: Iterable[Listener], gateway_port: int) -> Finding:
    listeners = list(found)
    wide = [each for each in listeners if each.is_wide]
    bare = [each for each in wide if reason(each, gateway_port=gateway_port) is None]
    if bare:
        what = ", ".join(sorted(f"{name_of(each.process)} on port {each.port}" for each in bare))
        remedy = "close these ports to others, and report it: nothing of ours should"
        return Finding("listeners", Verdict.FAIL, f"{what} beyond loopback", remedy)
    loopback = f"{len(listeners) - len(wide)} of {len(listeners)} on loopback"
    known = "" if not wide else f", {len(wide)} beyond it for known reasons (docs/listeners.md)"
    return Finding("listeners", Verdict.OK, f"{loopback}{known}")
