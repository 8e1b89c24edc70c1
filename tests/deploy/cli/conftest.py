import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.cli import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Bifocal = Callable[..., Done]


@pytest.fixture
def bifocal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Bifocal:
    """Runs the command in this process, as a shell would."""
    for name in ("BIFOCAL_URL", "BIFOCAL_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BIFOCAL_STATE", str(tmp_path / "state"))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["bifocal", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        seen = capsys.readouterr()
        return Done(int(ended.value.code or 0), seen.out, seen.err)

    return run
