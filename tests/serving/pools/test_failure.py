"""Errors that leave a replica, and what it costs to read them."""

import pickle
import subprocess
import sys
from decimal import InvalidOperation

import pytest

from serving.pools.failure import EngineStuck, Failed, readable
from serving.pools.weights import NoWeights

READ = """
import pickle, sys
print(repr(pickle.load(sys.stdin.buffer)))
print(*sorted({"torch", "vllm", "ray"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("error", [ValueError("no"), EngineStuck("no"), NoWeights("no")])
def test_ours_and_pythons_own_are_left_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as found, readable():
        raise error
    assert found.value is error


def test_of_others_the_words_and_the_place_are_left() -> None:
    with pytest.raises(Failed, match=r"^InvalidOperation: too long$") as found, readable():
        raise InvalidOperation("too long")
    assert isinstance(found.value.__cause__, InvalidOperation)


@pytest.mark.parametrize("error", [Failed("no"), EngineStuck("no"), NoWeights("no")])
def test_whoever_reads_one_imports_no_engine(error: Exception) -> None:
    told = subprocess.run(
        [sys.executable, "-c", READ],
        input=pickle.dumps(error), capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    shown, imported = told.stdout.decode().splitlines()
    assert (shown, imported) == (repr(error), "")
