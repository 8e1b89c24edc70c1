"""Training problems: seeded, and true."""

import json
import random
import re

from hypothesis import given
from hypothesis import strategies as st

from deploy.pocket import noise, problems, scratchpad
from deploy.pocket.phrasebook import languages
from deploy.pocket.problems import DENSE, MOE, draw

numbers = st.lists(st.integers(0, 99_999), min_size=1, max_size=5)


@given(numbers)
def test_the_scratch_pad_comes_to_the_sum(addends):
    thought = scratchpad.think(addends)
    assert scratchpad.total(thought) == sum(addends)


@given(numbers)
def test_each_line_of_the_scratch_pad_holds_a_running_total(addends):
    lines = scratchpad.think(addends).splitlines()[:-1]
    for count, line in enumerate(lines, 1):
        copied, turned, total = line.split(" ")
        assert copied == str(addends[count - 1])
        assert turned == f"{addends[count - 1]:06d}"[::-1]
        assert int(total[::-1]) == sum(addends[:count])


def test_the_same_seed_draws_the_same():
    one, other, third = (random.Random(seed) for seed in (1, 1, 2))
    drawn = [draw(one, MOE) for _ in range(50)]
    assert drawn == [draw(other, MOE) for _ in range(50)]
    assert drawn != [draw(third, MOE) for _ in range(50)]


def test_sums_are_true_and_calls_are_valid():
    rng = random.Random(3)
    for _ in range(600):
        problem, _ = draw(rng, rng.choice((DENSE, MOE)))
        asked = problem.messages[-1]["content"]
        if problem.kind in {"easy_sum", "hard_sum"}:
            assert int(problem.answer) == sum(map(int, re.findall(r"[0-9]+", asked)))
        if problem.kind == "tool":
            call = json.loads(problem.answer.split("\n")[1])
            offered = [tool["function"] for tool in problem.tools]
            tool = next(tool for tool in offered if tool["name"] == call["name"])
            assert set(call["arguments"]) == set(tool["parameters"]["required"])


def test_every_kind_is_drawn_in_every_language():
    rng = random.Random(4)
    for kind in problems.KINDS.values():
        for language in languages():
            assert kind(noise.Pen(rng, 1.0), language).messages
