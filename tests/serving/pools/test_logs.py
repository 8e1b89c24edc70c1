"""Serve's log of a replica, while somebody sets up the logging of its process."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest

from serving.pools.logs import SERVE, kept

RAY = """
from contextlib import nullcontext
from logging.config import dictConfig
from types import SimpleNamespace
from unittest.mock import patch
from ray._private import worker
from ray.serve._private import constants, logging_utils
from ray.serve.schema import LoggingConfig
from serving.pools.logs import SERVE, kept

def path(within):
    logging_utils.configure_component_logger(
        component_name="pool", component_id="1", logging_config=LoggingConfig(logs_dir=FOLDER)
    )
    with within:
        dictConfig({"version": 1})
    return logging_utils.get_component_logger_file_path()

assert constants.SERVE_LOGGER_NAME == SERVE
node = SimpleNamespace(get_logs_dir_path=lambda: FOLDER, max_bytes=0, backup_count=0)
with patch.object(worker, "_global_node", node):
    assert path(kept()) == "/pool_1.log"
    try:
        path(nullcontext())
    except AttributeError as error:
        assert "baseFilename" in str(error)
    else:
        raise SystemExit("Serve bears a log that was closed: nothing is to be mended")
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[MemoryHandler]:
    """Of a replica, as Serve makes it."""
    logger, file = logging.getLogger(SERVE), logging.FileHandler(tmp_path / "replica.log")
    logger.addHandler(log := MemoryHandler(1, target=file))
    yield log
    logger.removeHandler(log)
    log.close()
    file.close()


def say(line: str) -> None:
    logging.getLogger(SERVE).warning(line)


def test_what_is_written_while_and_after_it_is_closed_is_in_the_file(
    log: MemoryHandler, tmp_path: Path
) -> None:
    say("before")
    with kept():
        log.close()
        say("meanwhile")
    say("after")
    assert (tmp_path / "replica.log").read_text().split() == ["before", "meanwhile", "after"]


def test_an_import_that_fails_costs_no_log(log: MemoryHandler, tmp_path: Path) -> None:
    with suppress(ImportError), kept():
        log.close()
        raise ImportError
    say("after")
    assert (tmp_path / "replica.log").read_text() == "after\n"


@pytest.mark.process
def test_serve_does_not_bear_a_log_that_was_closed(tmp_path: Path) -> None:
    """Once it does, nothing is to be mended."""
    told = subprocess.run(
        [sys.executable, "-c", f"FOLDER = {str(tmp_path)!r}\n{RAY}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
