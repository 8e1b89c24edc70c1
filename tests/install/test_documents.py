"""Pages that a command makes are what that command makes, but for what it measured."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.chaos.tally import Losses
from tests.install import images_document
from tests.install.helm import CHART
from tests.install.images import Config, Image
from tests.install.started import document, release
from tests.install.started.load import Trial

DOCS = CHART.parents[1] / "docs"


def images() -> str:
    config = Config({}, "", [], [])
    image = Image(Path(), config, {}, 0, 0, 0, "buildah version 0")
    return images_document.text(dict.fromkeys(images_document.STARTED, image))


def installed() -> str:
    nothing = Trial(0, 0, Losses(0, 0, 0, 0, 0), {}, 0, 0)
    trials = {name: nothing for name, *_ in document.TRIALS}
    found = document.Measured(release.Start(*[0] * 7), trials, 0, 0, 0)
    return document.text(found, "0 cores")


@pytest.mark.parametrize("make", [images, installed], ids=lambda make: make.__name__)
def test_a_page_is_what_its_command_makes(make: Callable[[], str]) -> None:
    there = (DOCS / f"{make.__name__}.md").read_text()
    assert _without_numbers(there) == _without_numbers(make())


def _without_numbers(text: str) -> str:
    return re.sub(r"\d[\d.,]*(?<![.,])", "0", text)
