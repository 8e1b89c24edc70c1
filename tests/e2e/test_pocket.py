"""The pocket models sit their exam through the gateway: thinking helps, and more than chance."""

import json

import pytest

from tests.e2e.conftest import Service

pytestmark = pytest.mark.engine

PROBLEMS = 200


@pytest.mark.timeout(900)
def test_the_pocket_models_pass_their_exam(service: Service) -> None:
    done = service.command(
        "pocket", "eval", "--json", "--problems", str(PROBLEMS), "--url", service.url, timeout_s=880
    )
    report = json.loads(done.stdout)
    assert done.returncode == 0, json.dumps(report, indent=1)[:4000]
