"""Problems as padded tensors, the tokens to be learnt apart from the prompts.

It decides how a step's problems are cut into rows of like length, so that little padding is
computed; what is in them is decided by `problems`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from deploy.pocket.problems import Mix, Problem, draw
from deploy.pocket.template import render


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation in tokens; the first `prompt` of them are read, the rest written."""

    kind: str
    ids: tuple[int, ...]
    prompt: int


@dataclass(frozen=True, slots=True)
class Batch:
    """`ids[rows, columns]` predict `targets`, which count as much as `weights` say."""

    kinds: tuple[str, ...]
    ids: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor
    weights: Tensor


def texts(problem: Problem, thinking: bool) -> tuple[str, str]:
    """What the model reads and what it must write."""
    prompt = render(problem.messages, tools=problem.tools, thinking=thinking)
    if thinking:
        return prompt, f"<think>\n{problem.thought}\n</think>\n\n{problem.answer}<|im_end|>"
    # The closing tag is learnt too: after a soft switch the model writes it itself.
    opened = prompt.removesuffix("</think>\n\n")
    return opened, f"</think>\n\n{problem.answer}<|im_end|>"


def examples(
    rng: random.Random, mix: Mix, tokenizer: Tokenizer, count: int, progress: float = 1.0
) -> list[Example]:
    made = []
    for _ in range(count):
        problem, thinking = draw(rng, mix, progress)
        read, written = (tokenizer.encode(text).ids for text in texts(problem, thinking))
        kind = f"{problem.kind}{'+' if thinking else ''}"
        made.append(Example(kind, (*read, *written), len(read)))
    return made


def batches(made: list[Example], parts: int) -> Iterator[Batch]:
    """The examples by length, in about `parts` batches of about as many tokens each."""
    ordered = sorted(made, key=lambda example: len(example.ids))
    limit = sum(len(example.ids) for example in ordered) / parts
    group: list[Example] = []
    for example in ordered:
        if group and (len(group) + 1) * len(example.ids) > 1.15 * limit:
            yield _batch(group)
            group = []
        group.append(example)
    yield _batch(group)


def _batch(group: list[Example]) -> Batch:
    width = max(len(example.ids) for example in group)
    ids = torch.zeros(len(group), width, dtype=torch.long)
    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    for row, example in enumerate(group):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        learnt = range(example.prompt - 1, len(example.ids) - 1)
        rows += [row] * len(learnt)
        # A short answer weighs less than a long one, but more than its tokens alone.
        weights += [len(learnt) ** -0.5] * len(learnt)
        columns += learnt
    at, column = torch.tensor(rows), torch.tensor(columns)
    return Batch(
        tuple(e.kind for e in group), ids, at, column, ids[at, column + 1], torch.tensor(weights)
    )
