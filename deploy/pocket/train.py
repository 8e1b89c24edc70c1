"""Trains the pocket models anew: seeded, on CPU cores, within a budget of minutes.

Both models are trained at the same time, each in a process of its own with one thread: with
matrices this small, a second thread costs more than it brings. Steps are counted, not timed,
so an idle machine gives the same weights for the same seed; the budget only shortens the
schedule where a machine is slower. What is learnt is decided by `problems`, sizes by `recipes`.
"""

import ctypes
import json
import math
import multiprocessing
import queue
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from deploy.pocket import start, template, tokenizer
from deploy.pocket.batches import Batch, Example, batch, examples, texts
from deploy.pocket.model import Pocket
from deploy.pocket.muon import Muon
from deploy.pocket.phrasebook import languages
from deploy.pocket.problems import TEXTS, draw
from deploy.pocket.recipes import RECIPES, Recipe

# Qwen's advice for thinking; the gateway sends the other preset itself.
SAMPLING = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20}
REPORT_EVERY = 50
# How often the tokenizer reads each phrasebook whole, beside the problems drawn from it.
SELDOM = 300
# How many held-out problems are looked at together.
AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands: `accuracy` is of whole answers on problems never trained on."""

    model: str
    step: int
    steps: int
    loss: float
    accuracy: dict[str, float]
    wall_s: float
    cpu_s: float
    eta_s: float
    done: bool = False


@dataclass(slots=True)
class Clock:
    wall: float = field(default_factory=time.monotonic)
    cpu: float = field(default_factory=time.process_time)

    def read(self) -> tuple[float, float]:
        return time.monotonic() - self.wall, time.process_time() - self.cpu


Report = Callable[[Progress], None]


def train(
    out: Path,
    seed: int,
    minutes: float,
    report: Report,
    names: Sequence[str] = tuple(RECIPES),
) -> None:
    """Trains the named models into folders under `out`; each may take `minutes` of a core."""
    words = learn_tokenizer(seed)
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.queues.Queue[Progress] = context.Queue()
    runs = [
        context.Process(target=_run, args=(name, out / name, seed, minutes, words.to_str(), told))
        for name in names
    ]
    for run in runs:
        run.start()
    while any(run.is_alive() for run in runs) or not told.empty():
        try:
            report(told.get(timeout=1))
        except queue.Empty:
            continue
    failed = [name for name, run in zip(names, runs, strict=True) if run.exitcode]
    if failed:
        raise RuntimeError(f"training failed: {', '.join(failed)}")


def learn_tokenizer(seed: int) -> Tokenizer:
    rng = random.Random(f"tokenizer {seed}")
    drawn = ["".join(texts(*draw(rng, TEXTS))) for _ in range(12_000)]
    taught = [language.taught() for language in languages()]
    return tokenizer.learn([*drawn, *taught * SELDOM])


def _run(
    name: str,
    folder: Path,
    seed: int,
    minutes: float,
    words: str,
    told: "multiprocessing.queues.Queue[Progress]",
) -> None:
    train_one(name, RECIPES[name], folder, seed, minutes, Tokenizer.from_str(words), told.put)


def train_one(
    name: str,
    recipe: Recipe,
    folder: Path,
    seed: int,
    minutes: float,
    words: Tokenizer,
    report: Report,
) -> None:
    """Trains one model in this process and saves it."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    _keep_memory()
    rng = random.Random(f"{name} {seed}")
    held_out = examples(random.Random(f"held out {seed}"), recipe.mix, words, 400)
    model = Pocket(recipe.shape, torch.bfloat16)
    start.begin(model)
    optimizers = _optimizers(model, recipe)
    clock, step, progress, loss = Clock(), 0, 0.0, 0.0
    while progress < 1:
        made = examples(rng, recipe.mix, words, recipe.batch, progress)
        now = _learn(model, batch(made))
        loss = now if step == 0 else 0.95 * loss + 0.05 * now
        _turn(model, optimizers, _pace(step, progress, recipe.warmup))
        step += 1
        wall, cpu = clock.read()
        progress = max(step / recipe.steps, cpu / (60 * minutes))
        if step % REPORT_EVERY == 0 or progress >= 1:
            full = progress >= 1 or step % (4 * REPORT_EVERY) == 0
            right = accuracy(model, held_out if full else held_out[:100])
            eta = wall / progress - wall if progress < 1 else 0.0
            report(Progress(name, step, recipe.steps, loss, right, wall, cpu, eta, progress >= 1))
            if step % (8 * REPORT_EVERY) == 0:
                save(model, words, folder)
    with torch.no_grad():
        # What was learnt has one right answer: sampled at Qwen's temperatures it should stay it.
        model.norm.weight.mul_(recipe.sharpness)
    save(model, words, folder)


def _keep_memory() -> None:
    """Freed memory stays with the process, as the next step needs as much: glibc gives it back."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, 2**30)


def accuracy(model: Pocket, made: list[Example]) -> dict[str, float]:
    """The share of whole answers that greedy decoding would give, by kind."""
    right: dict[str, list[bool]] = defaultdict(list)
    with torch.no_grad():
        for at in range(0, len(made), AT_ONCE):
            cut = batch(made[at : at + AT_ONCE])
            logits = model(cut.ids, cut.blocks, cut.kept)
            missed = set(cut.owners[logits.argmax(-1) != cut.targets].tolist())
            for row, kind in enumerate(cut.kinds):
                right[kind].append(row not in missed)
    return {kind: sum(hits) / len(hits) for kind, hits in sorted(right.items())}


def save(
    model: Pocket, words: Tokenizer, folder: Path, dtype: torch.dtype = torch.bfloat16
) -> None:
    """Writes a folder that vLLM and transformers load: bfloat16, as it is served."""
    folder.mkdir(parents=True, exist_ok=True)
    pad, end = (tokenizer.CONTROL.index(mark) for mark in (tokenizer.PAD, tokenizer.END))
    config = model.shape.config(eos=end, pad=pad, dtype=str(dtype).removeprefix("torch."))
    weights: dict[str, Tensor] = {n: t.to(dtype) for n, t in model.checkpoint()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    tokenizer.save(words, folder, model.shape.max_positions)
    shutil.copy(template.FILE, folder / "chat_template.jinja")
    generation = SAMPLING | {"eos_token_id": end, "pad_token_id": pad}
    for file, content in (("config.json", config), ("generation_config.json", generation)):
        (folder / file).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _learn(model: Pocket, cut: Batch) -> float:
    """Adds the gradients of one step; gives its loss."""
    logits = model(cut.ids, cut.blocks, cut.kept)
    each = functional.cross_entropy(logits, cut.targets, reduction="none")
    loss = (each * cut.weights).sum() / cut.weights.sum()
    (loss + model.shape.balance * model.imbalance()).backward()
    return float(loss.detach())


def _turn(model: Pocket, optimizers: Sequence[torch.optim.Optimizer], pace: float) -> None:
    """One step of the optimizers, at this share of their full rates."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["top_lr"] * pace
        optimizer.step()
        optimizer.zero_grad()


def _optimizers(model: Pocket, recipe: Recipe) -> list[torch.optim.Optimizer]:
    turned: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        plain = parameter.dim() < 2 or "embed" in name or "mlp.gate." in name
        (others if plain else turned).append(parameter)
    muon = Muon(turned, lr=recipe.muon_lr, weight_decay=0.01)
    adam = torch.optim.AdamW(others, lr=recipe.adam_lr, betas=(0.9, 0.98), weight_decay=0.01)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["top_lr"] = group["lr"]
    return [muon, adam]


def _pace(step: int, progress: float, warmup: int) -> float:
    """Warm-up, then a cosine down to a fiftieth."""
    rest = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return min(1.0, (step + 1) / warmup) * rest
