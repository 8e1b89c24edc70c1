"""What `up --detach` passes on of the process that it has started."""

import os
import subprocess
from pathlib import Path
from typing import cast

import pytest

from deploy.cli.up import _follow, one_machine
from deploy.config import load
from deploy.failure import Exit, Failure
from deploy.local.state import StateFolder


class Ended:
    """A supervisor that has failed."""

    pid = os.getpid()

    def poll(self) -> int:
        return Exit.FAILED


def test_its_progress_goes_to_stdout_and_its_failure_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Failure(Exit.FAILED, "the gateway ended:\nwith 2", "look there").show()
    failure = capsys.readouterr().err
    state = StateFolder(tmp_path)
    state.up_log.write_text(f"starting\nstopping\n{failure}")
    assert _follow(cast("subprocess.Popen[bytes]", Ended()), state) == Exit.FAILED
    seen = capsys.readouterr()
    assert seen.out == "starting\nstopping\n"
    assert seen.err == failure


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_file_for_several_nodes_is_told_that_all_are_this_machine(
    tmp_path: Path, nodes: int
) -> None:
    (file := tmp_path / "b.yaml").write_text(
        f"gpus: {{cpu: {{kind: cpu, nodes: {nodes}}}}}\nmodels: {{pocket-dense: {{on: cpu}}}}\n"
    )
    told = list(one_machine(load(file)))
    assert len(told) == (nodes > 1)
    assert all(line.startswith("gpus.cpu: 2 nodes") for line in told)
