from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.weights import Settings
from tests.deploy.weights.loopback import Loopback, hub, listening


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def fake() -> AsyncIterator[Loopback]:
    """A hub at HF_ENDPOINT."""
    found = Loopback()
    async with listening(found, hub(found)):
        yield found


@pytest.fixture
def settings(fake: Loopback, tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "store", hub=fake.url, backoff_s=0.001, idle_s=5)
