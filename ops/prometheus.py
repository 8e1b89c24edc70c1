"""The configuration by which a Prometheus watches a service: text, no process.

It names the gateway alone. Where the replicas are it asks of the gateway, every few seconds, so no
list is made by hand and none grows old; see `serving.gateway.scrape`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serving.gateway.scrape import TARGETS


def configuration(
    url: str,
    *,
    key_file: Path | None = None,
    every_s: float = 5,
    rules: Sequence[str] = (),
    alertmanager: str | None = None,
    ray: Sequence[str] = (),
) -> dict[str, Any]:
    """For the gateway at `url`; `key_file` holds a key of it, `rules` are patterns of files,
    `alertmanager` is a host and port, and `ray` are those of Ray's agents (for the nodes)."""
    at = urlsplit(url)
    found: dict[str, Any] = {
        "global": {"scrape_interval": _seconds(every_s), "evaluation_interval": _seconds(every_s)},
        "scrape_configs": [
            {
                "job_name": "bifocal-gateway",
                "scheme": at.scheme,
                "static_configs": [{"targets": [at.netloc]}],
                **_key(key_file),
            },
            {
                "job_name": "bifocal-replicas",
                "scheme": at.scheme,
                "http_sd_configs": [
                    {"url": url + TARGETS, "refresh_interval": "5s", **_key(key_file)}
                ],
                **_key(key_file),
            },
        ],
    }
    if ray:
        # Labels that tell nothing apart, by Ray's own names.
        drop = {"action": "labeldrop", "regex": "otel_scope_.*|SessionName|Version"}
        found["scrape_configs"].append(
            {
                "job_name": "bifocal-ray",
                "static_configs": [{"targets": list(ray)}],
                "metric_relabel_configs": [drop],
            }
        )
    if rules:
        found["rule_files"] = list(rules)
    if alertmanager:
        found["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return found


def _key(file: Path | None) -> dict[str, Any]:
    # Discovery has no default for the type, as scraping has (seen in 2.42).
    return {"authorization": {"type": "Bearer", "credentials_file": str(file)}} if file else {}


def _seconds(time: float) -> str:
    return f"{time:g}s" if time == round(time) else f"{round(time * 1000)}ms"
