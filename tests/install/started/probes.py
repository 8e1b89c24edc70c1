"""Probes: what Kubernetes makes of their results. Pure; running them is the kubelet's part."""

from dataclasses import dataclass, replace

from tests.install.helm import Manifest


@dataclass(frozen=True, slots=True)
class Probe:
    """With Kubernetes' defaults in place."""

    action: Manifest
    """`httpGet` or `exec`, as it stands in the container."""
    delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int

    @classmethod
    def of(cls, spec: Manifest) -> "Probe":
        return cls(
            {key: spec[key] for key in ("httpGet", "exec", "tcpSocket") if key in spec},
            spec.get("initialDelaySeconds", 0),
            spec.get("periodSeconds", 10),
            spec.get("timeoutSeconds", 1),
            spec.get("successThreshold", 1),
            spec.get("failureThreshold", 3),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """So far, by one probe of one run of a container."""

    probe: Probe
    says: bool | None
    """None: nothing yet. A container lives until its probe denies it and is not ready until its
    probe affirms it; of a start, nothing is known before."""
    due: float
    last: bool | None = None
    in_a_row: int = 0

    @classmethod
    def begun(cls, probe: Probe, *, says: bool | None, now: float) -> "Seen":
        return cls(probe, says, now + probe.delay_s)

    def after(self, result: bool, now: float) -> "Seen":
        """Says another thing once as many results in a row as its threshold speak for it."""
        in_a_row = self.in_a_row + 1 if result is self.last else 1
        enough = in_a_row >= (self.probe.successes if result else self.probe.failures)
        return replace(
            self,
            says=result if enough else self.says,
            last=result,
            in_a_row=in_a_row,
            due=max(self.due + self.probe.period_s, now),
        )
