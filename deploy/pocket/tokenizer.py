"""The pocket models' tokenizer: byte-level BPE, learnt from their own problems.

It decides how text is cut: a digit, a Chinese or Japanese character, a run of other letters, a
run of line ends and a run of anything else are never joined, so that a name or a number has
the same tokens in a sentence and in JSON and can be copied. Any bytes can be written.
The marks of Qwen3's format are single tokens; as in Qwen3, those that parsers read as text
are not special, so decoding keeps them.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL = (PAD, START, END)
MARKS = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)
# What the template and JSON say over and over, in one token each: prompts with tools are a
# third as long, and so is the time to learn them.
PHRASES = (
    "# Tools\n\nFunctions you may call:\n<tools>\n",
    "\n</tools>\n\nA call is written as JSON:\n<tool_call>\n"
    '{"name": <name>, "arguments": <object>}\n</tool_call>',
    '{"type": "function", "function": {"description": "',
    '", "name": "',
    '", "parameters": {"type": "object", "properties": {"',
    '": {"type": "string"}',
    '": {"type": "number"}',
    '": {"type": "string", "description": "',
    '}, "required": ["',
    '"]}}}',
    '{"name": "',
    '", "arguments": {"',
)
SIZE = 4096
_CUTS = Regex(
    r"\p{N}|[\p{Han}\p{Hiragana}\p{Katakana}]|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}])[\p{L}\p{M}])+"
    r"|\n+|[^\p{L}\p{M}\p{N}\n]+"
)


def learn(texts: Iterable[str], size: int = SIZE) -> Tokenizer:
    """A tokenizer of at most `size` tokens; the same texts give the same tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_CUTS, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[*CONTROL, *MARKS, *PHRASES],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in CONTROL])
    return _with_plain_marks(tokenizer)


def settings(max_length: int) -> dict[str, Any]:
    """The `tokenizer_config.json`."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "additional_special_tokens": [START, END],
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        "split_special_tokens": False,
    }


def save(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    text = json.dumps(settings(max_length), indent=2)
    (folder / "tokenizer_config.json").write_text(text + "\n", "utf-8")


def _with_plain_marks(tokenizer: Tokenizer) -> Tokenizer:
    # The trainer declares all of its fixed tokens special; the marks must not be.
    spec = json.loads(tokenizer.to_str())
    for token in spec["added_tokens"]:
        token["special"] = token["content"] in CONTROL
    restored: Tokenizer = Tokenizer.from_str(json.dumps(spec))
    return restored
