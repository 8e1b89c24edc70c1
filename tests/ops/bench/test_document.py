"""The page that a run becomes."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from deploy import pocket
from deploy.pocket.template import render
from ops.bench.bench import machine_facts
from ops.bench.document import document, measured, warning
from ops.bench.measure import PROMPT_TOKENS, bodies
from ops.bench.report import as_json
from ops.bench.values import BUSY
from tests.ops.bench.test_report import run


def page(busy_cores: float) -> str:
    report: dict[str, Any] = as_json(run())
    report["machine"] = {
        "at": "2026-11-24T12:00:00Z",
        "cores": 2,
        "cpu": "EPYC",
        "memory_gib": 23.5,
        "python": "3.11.7",
        "busy_cores_before": busy_cores,
    }
    report["settings"] = {"model": "pocket-dense", "rounds": 5, "seconds": 5.0}
    return document(report)


def test_it_says_where_and_how_and_shows_the_figures() -> None:
    text = page(0.1)
    assert "2 cores (EPYC), 23.5 GiB" in text
    assert "pocket-dense, 5 rounds of 5 s" in text
    assert "| gateway_over_replica | tokens/s: gateway / replica | streams of 64 tokens" in text
    assert "25 to 31 tokens, the template included" in " ".join(text.split())


@pytest.mark.parametrize(("cores", "warned"), [(0.1, False), (0.3, False), (0.31, True)])
def test_a_busy_machine_is_told(cores: float, warned: bool) -> None:
    assert ("figures below are noise" in page(cores).replace("\n", " ")) is warned


def test_what_a_run_finds_of_the_machine_is_what_the_page_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ops.bench.bench.psutil.cpu_percent", lambda _: 50.0)
    monkeypatch.setattr("ops.bench.bench.psutil.cpu_count", lambda: 4)
    machine = machine_facts()
    assert machine["busy_cores_before"] == 2.0
    assert "(2.00 cores" in "".join(warning(machine))
    assert "on 4 cores" in measured(machine)


def test_the_prompts_have_as_many_tokens_as_the_page_says() -> None:
    tokenizer = Tokenizer.from_file(str(pocket.folder("pocket-dense") / "tokenizer.json"))
    asked = [json.loads(body)["messages"] for body in bodies("pocket-dense", BUSY)]
    texts = [render(messages, thinking=False) for messages in asked]
    counts = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    assert (min(counts), max(counts)) == PROMPT_TOKENS
