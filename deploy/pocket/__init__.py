"""The pocket models: two small Qwen3 models that do small work truly.

It names them and tells where their folders are. It imports no torch, so that serving them
costs nothing of what training them needs.
"""

from pathlib import Path

NAMES = ("pocket-dense", "pocket-moe")


def folder(name: str) -> Path:
    """The folder of a pocket model: weights, tokenizer and chat template, ready for vLLM."""
    if name not in NAMES:
        raise ValueError(f"no pocket model is called {name!r}; there are {', '.join(NAMES)}")
    return Path(__file__).parent / "models" / name
