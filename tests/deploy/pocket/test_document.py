"""The exam's page."""

from deploy.pocket.document import page

CELL = {
    "row": "hard",
    "column": {"model": "pocket-moe", "thinking": True},
    "num_questions": 200,
    "streaming": 0.955,
    "whole": 0.94,
    "by_language": {"en": 1.0, "de": 0.5},
    "goal": ">= 95%",
    "passed": False,
}


def test_a_row_names_model_mode_shares_and_verdict() -> None:
    told = page({"seed": 3, "cells": [CELL]})
    assert "Exam 3, 200 problems a row." in told
    assert "| row | model | goal | streaming | whole | de | en |  |" in told
    assert (
        "| hard | pocket-moe, thinking | >= 95% | 95.5% | 94.0% | 50% | 100% | **missed** |" in told
    )
