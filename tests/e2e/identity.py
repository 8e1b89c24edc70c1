"""Whether a cut engine says what a whole one says.

    python -m tests.e2e.identity > docs/sharding.md

In float32 every layout must answer every prompt with the same greedy tokens. In bfloat16 that
cannot be asked, as sums that are rounded in another order flip near ties; there the logprobs of the
same text must agree within a tolerance that the rounding itself gives (`Noise`).
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import sqrt
from pathlib import Path
from typing import Any

from deploy import pocket
from deploy.pocket.exam import Row, questions

LAYOUTS: dict[str, dict[str, Any]] = {
    "one process": {},
    "TP=2": {"tensor": 2},
    "TP=2, EP=2": {"tensor": 2, "expert": True},
    "PP=2": {"pipeline": 2},
    "DP=2 attention, EP=2": {"data": 2, "expert": True},
}
MAX_TOKENS = 48
LIMIT_S = 840
ASKED = {(Row.HARD, True): 48, (Row.HARD, False): 16, (Row.TOOL, False): 16}
"""Of the exam, by row and whether it is thought about; those with one answer in common are asked
once."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one engine said to all prompts."""

    tokens: list[list[int]]
    logprobs: list[list[float]]
    text: list[str]
    scores: list[list[float]]
    start_s: float
    answer_s: float


@dataclass(frozen=True, slots=True)
class Noise:
    """How far logprobs of the same tokens are apart, in nats."""

    rms: float
    largest: float

    @classmethod
    def between(cls, one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> "Noise":
        apart = [abs(a - b) for a, b in zip(chain(*one), chain(*other), strict=True)]
        return cls(sqrt(sum(each * each for each in apart) / len(apart)), max(apart))


@dataclass(frozen=True, slots=True)
class Identity:
    """Every layout's answers, by precision."""

    prompts: list[str]
    fp32: dict[str, Answers]
    bf16: dict[str, Answers]

    @property
    def whole(self) -> Answers:
        return self.fp32["one process"]

    @property
    def different(self) -> int:
        """Prompts whose answers are unlike each other."""
        return len(set(map(tuple, self.whole.tokens)))

    def same(self, found: Answers) -> int:
        """Prompts that it answers as the whole engine does."""
        return sum(a == b for a, b in zip(found.tokens, self.whole.tokens, strict=True))

    @property
    def rounding(self) -> Noise:
        """Of bfloat16 itself: one process in it against one in float32."""
        return Noise.between(self.bf16["one process"].scores, self.whole.scores)

    def apart(self, layout: str) -> Noise:
        """A layout in bfloat16 against one process in it."""
        return Noise.between(self.bf16[layout].scores, self.bf16["one process"].scores)

    @property
    def tolerance(self) -> Noise:
        """The two runs round the same numbers in another order. Each is as far from the exact
        logprob as the rounding, independently, so that they are sqrt(2) times it apart: 2 times is
        allowed. And two that are each at most `largest` from the exact are at most twice it
        apart."""
        return Noise(2 * self.rounding.rms, 2 * self.rounding.largest)


def prompts() -> list[str]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(pocket.folder("pocket-moe")))
    return [
        tokenizer.apply_chat_template(
            list(asked.messages),
            tools=list(asked.tools) or None,
            enable_thinking=thinking,
            add_generation_prompt=True,
            tokenize=False,
        )
        for (row, thinking), count in ASKED.items()
        for asked in questions(row, count, seed=8)
    ]


def measured() -> Identity:
    """Starts ten engines, one after the other."""
    asked = prompts()
    cases = [
        {"precision": precision, "layout": layout}
        for precision in ("fp32", "bf16")
        for layout in LAYOUTS.values()
    ]
    found = answered(asked, cases)
    half = len(LAYOUTS)
    return _different(
        Identity(
            asked,
            dict(zip(LAYOUTS, found[:half], strict=True)),
            dict(zip(LAYOUTS, found[half:], strict=True)),
        )
    )


def whole() -> Identity:
    """One engine in float32 alone, to hold others against."""
    asked = prompts()
    (found,) = answered(asked, [{"precision": "fp32"}])
    return _different(Identity(asked, {"one process": found}, {}))


def answered(prompts: list[str], cases: list[dict[str, Any]]) -> list[Answers]:
    """Of each case, by an engine of its own."""
    job = {"prompts": prompts, "max_tokens": MAX_TOKENS, "cases": cases}
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.engines"],
        input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return [Answers(**each) for each in json.loads(done.stdout)]


def _different(identity: Identity) -> Identity:
    """Without prompts whose answer another has, too."""
    first = {tuple(tokens): at for at, tokens in reversed([*enumerate(identity.whole.tokens)])}
    kept = sorted(first.values())

    def of(found: Answers) -> Answers:
        return Answers(
            [found.tokens[at] for at in kept],
            [found.logprobs[at] for at in kept],
            [found.text[at] for at in kept],
            [found.scores[at] for at in kept],
            found.start_s,
            found.answer_s,
        )

    return Identity(
        [identity.prompts[at] for at in kept],
        {name: of(found) for name, found in identity.fp32.items()},
        {name: of(found) for name, found in identity.bf16.items()},
    )


def page(found: Identity) -> str:
    return "\n".join([*_head(found), *_exact(found), *_near(found), ""])


def _head(found: Identity) -> Iterator[str]:
    tokens = sum(map(len, found.whole.tokens))
    yield f"""# Cut engines say what a whole one says

Made by `python -m tests.e2e.identity > docs/sharding.md`: pocket-moe (4 layers, 8 experts of which
2 work on a token) on two CPU cores, asked {len(found.prompts)} questions of the exam (sums with and
without thinking, tools) whose answers all differ, {tokens:,} greedy tokens in all. vLLM 0.29 with
the repairs of `serving/pools/sharding`, each told in `docs/upstream/`. `tests/e2e/test_sharding.py`
holds it so, and asks TP=2, EP=2 through Ray Serve and the gateway, too."""


def _exact(found: Identity) -> Iterator[str]:
    yield """
## float32: the same tokens

| layout | same answers | logprobs apart, at most | engine starts in | answers in |
| --- | --- | --- | --- | --- |"""
    for name, answers in found.fp32.items():
        apart = Noise.between(answers.scores, found.whole.scores)
        yield (
            f"| {name} | {found.same(answers)} of {len(found.prompts)} | {apart.largest:.6f} | "
            f"{answers.start_s:.1f} s | {answers.answer_s:.1f} s |"
        )


def _near(found: Identity) -> Iterator[str]:
    rounding, allowed = found.rounding, found.tolerance
    yield f"""
## bfloat16: the same logprobs, but for rounding

Every engine reads the same text, each question with its float32 answer, and tells the logprob of
each token of the answer. One process in bfloat16 is {rounding.rms:.4f} (root mean square) and at
most {rounding.largest:.3f} away from float32: that is what rounding does to this model. A cut
engine rounds the same sums in another order, so it is as far from float32, independently, and the
two are expected to be sqrt(2) x {rounding.rms:.4f} = {sqrt(2) * rounding.rms:.4f} apart.

Allowed are 2 x {rounding.rms:.4f} = {allowed.rms:.4f}, and for any one token 2 x
{rounding.largest:.3f} = {allowed.largest:.3f}, as neither is further than half of that from
float32. That greedy answers may differ is no fault: near a tie the rounding decides.

| layout | logprobs apart (root mean square) | at most | same answers as float32 |
| --- | --- | --- | --- |"""
    for name, answers in found.bf16.items():
        apart = found.apart(name)
        same = f"{found.same(answers)} of {len(found.prompts)}"
        yield f"| {name} | {apart.rms:.4f} | {apart.largest:.3f} | {same} |"


if __name__ == "__main__":
    sys.stdout.write(page(measured()))
