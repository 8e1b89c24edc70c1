"""`bifocal diff` of two files of manifests: its words, its JSON and its exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.failure import Exit
from tests.deploy.cli.conftest import Bifocal
from tests.deploy.diff.releases import Release
from tests.deploy.diff.test_verdict import (
    Edit,
    blue_green,
    image,
    more_nodes,
    sequences,
    stand_in,
    without_a_pool,
)

Files = Callable[..., tuple[str, str]]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    def write(*edits: Edit, both: tuple[Edit, ...] = ()) -> tuple[str, str]:
        old, new = Release(), Release()
        for edit in both:
            edit(old)
        for edit in (*both, *edits):
            edit(new)
        (tmp_path / "old.yaml").write_text(old.text)
        (tmp_path / "new.yaml").write_text(new.text)
        return str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")

    return write


def test_nothing_is_said_to_be_nothing(bifocal: Bifocal, files: Files) -> None:
    done = bifocal("diff", *files())
    assert (done.code, done.out) == (Exit.OK, "nothing changes\n")


@pytest.mark.parametrize(
    ("edits", "both", "code"),
    [
        pytest.param([more_nodes], (), Exit.OK, id="in place"),
        pytest.param([sequences], (), Exit.FAILED, id="its only replica"),
        pytest.param([image], (), Exit.FAILED, id="recreate"),
        pytest.param([without_a_pool], (), Exit.FAILED, id="a pool that is gone"),
        pytest.param([stand_in, sequences], (stand_in,), Exit.OK, id="its stand-in answers"),
        pytest.param([image], (blue_green,), Exit.INFEASIBLE, id="blueGreen without the GPUs"),
    ],
)
def test_the_exit_code_says_whether_somebody_is_left_without_an_answer(
    bifocal: Bifocal, files: Files, edits: list[Edit], both: tuple[Edit, ...], code: Exit
) -> None:
    assert bifocal("diff", *files(*edits, both=both)).code == code


def test_a_change_is_told_with_what_it_comes_of(bifocal: Bifocal, files: Files) -> None:
    done = bifocal("diff", *files(image))
    told, because = done.out.splitlines()
    assert told.startswith("group l40s: recreate: pools qwen3-8b, qwen3-0.6b: answers under way")
    assert because == "  workerGroupSpecs[l40s].template.spec.containers[ray].image"


def test_scripts_read_json(bifocal: Bifocal, files: Files) -> None:
    found = json.loads(bifocal("diff", *files(image), "--json").out)
    (change,) = found.pop("changes")
    assert found == {"same": False, "away": True, "refused": False}
    assert (change["awaySeconds"], change["drainsSeconds"], change["away"]) == (103, 3630, True)


@pytest.mark.parametrize("given", [["one.yaml"], ["a", "b", "c"], ["a", "b", "--release", "llm"]])
def test_sides_that_are_too_few_or_too_many_are_bad_input(
    bifocal: Bifocal, given: list[str]
) -> None:
    done = bifocal("diff", *given)
    assert done.code == Exit.BAD_INPUT
    assert "expected" in done.err


def test_a_namespace_is_named_as_with_other_verbs(bifocal: Bifocal, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    done = bifocal("diff", missing, "--release", "llm", "-n", "here")
    assert "No such option" not in done.err


def test_a_side_that_is_not_there_is_named_once(bifocal: Bifocal, tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    done = bifocal("diff", str(missing), str(missing))
    assert done.code == Exit.BAD_INPUT
    assert done.err == f"bifocal: {missing}: cannot be read: No such file or directory\n"


def test_values_need_helm(
    bifocal: Bifocal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "values.yaml").write_text("models: {}\n")
    done = bifocal("diff", str(tmp_path / "values.yaml"), str(tmp_path / "values.yaml"))
    assert done.code == Exit.BAD_INPUT
    assert "helm is not there" in done.err
