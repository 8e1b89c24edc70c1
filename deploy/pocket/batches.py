"""Problems as tensors, the tokens to be learnt apart from the prompts.

It decides how a step's problems are cut into blocks of like length, so that little padding is
computed; what is in them is decided by `problems`.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from deploy.pocket.model import Block
from deploy.pocket.problems import Mix, Problem, draw
from deploy.pocket.template import render

BLOCKS = 7


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation in tokens; the first `prompt` of them are read, the rest written."""

    kind: str
    ids: tuple[int, ...]
    prompt: int


@dataclass(frozen=True, slots=True)
class Batch:
    """All blocks' tokens in one row; those `kept` predict `targets`.

    Each target belongs to the example that `owners` tells, and counts as much as `weights` say.
    """

    kinds: tuple[str, ...]
    blocks: tuple[Block, ...]
    ids: Tensor
    kept: Tensor
    owners: Tensor
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


def batch(made: Sequence[Example]) -> Batch:
    """The examples by length, in `BLOCKS` or so of about as many tokens each."""
    ordered = sorted(made, key=lambda example: len(example.ids))
    blocks: list[Block] = []
    ids: list[int] = []
    kept: list[int] = []
    owners: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for group in _groups(ordered):
        width = len(group[-1].ids)
        blocks.append((len(group), width))
        for example in group:
            learnt = example.ids[example.prompt :]
            # Each token is predicted by the one before it.
            first = len(ids) + example.prompt - 1
            kept += range(first, first + len(learnt))
            owners += [owners[-1] + 1 if owners else 0] * len(learnt)
            targets += learnt
            # A short answer weighs less than a long one, but more than its tokens alone.
            weights += [len(learnt) ** -0.5] * len(learnt)
            ids += example.ids + (0,) * (width - len(example.ids))
    kinds = tuple(example.kind for example in ordered)
    tensors = map(torch.tensor, (ids, kept, owners, targets, weights))
    return Batch(kinds, tuple(blocks), *tensors)


def _groups(ordered: Sequence[Example]) -> Iterator[list[Example]]:
    limit = sum(len(example.ids) for example in ordered) / BLOCKS
    group: list[Example] = []
    for example in ordered:
        if group and (len(group) + 1) * len(example.ids) > 1.15 * limit:
            yield group
            group = []
        group.append(example)
    yield group
