"""A pool's application with who fetches its weights."""

import importlib
from typing import Any

import pytest

from deploy.local.pools import BUILDER
from serving.pools import serve_config

pytest.importorskip("ray.serve")

COMMIT = "a" * 40


def built(weights: dict[str, Any] | None, by: str = BUILDER) -> tuple[Any, Any]:
    """What each replica is made with, as Serve has it when it has called the builder by name."""
    from ray import cloudpickle
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

    module, name = by.split(":")
    args = {
        "name": "tiny", "source": "/w", "cpu": True, "accelerator": None, "stuck_after_s": 60.0,
        "engine": {}, "deployment": {}, "weights": weights,
    }  # fmt: skip
    builder = getattr(importlib.import_module(module), name)
    application = call_user_app_builder_with_args_if_necessary(builder, args)
    given, fetcher = cloudpickle.loads(cloudpickle.dumps(application._bound_deployment.init_args))
    return given, fetcher


@pytest.mark.parametrize("by", [BUILDER, serve_config.BUILDER])
def test_a_folder_needs_nobody_who_fetches(by):
    given, fetcher = built(None, by)
    assert (given.source, given.weights, fetcher) == ("/w", None, None)


def test_what_is_no_folder_comes_with_who_fetches_it():
    given, fetcher = built({"source": f"hf://acme/tiny@{COMMIT}", "env": {"HF_HUB_OFFLINE": "1"}})
    assert given.weights.source == f"hf://acme/tiny@{COMMIT}"
    assert type(fetcher).__name__ == "Puller"
