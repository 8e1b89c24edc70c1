"""`bifocal chat`: one question, the answer as it is written.

The answer alone goes to standard output, so that a pipe gets nothing else; how it was decided,
and the thinking when no terminal shows it dimmed, go to standard error.
"""

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any, TextIO

import typer

from deploy.cli.client import Decision, Ended, Event, Piece, ask
from deploy.cli.inputs import Context, Json, Key, Namespace, Release, Url, text_of
from deploy.cli.reach import reached

DIM, PLAIN = "\x1b[2m", "\x1b[0m"


def chat(
    text: Annotated[str, typer.Argument(help="The question; `-` reads it from stdin.")],
    model: Annotated[
        str, typer.Option(help="auto, fast, deep, or a model's name or Hugging Face id.")
    ] = "auto",
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="Overrides what would be decided.")
    ] = None,
    url: Url = None,
    key: Key = None,
    context: Context = None,
    namespace: Namespace = None,
    release: Release = None,
    as_json: Json = False,
) -> None:
    """Ask one question and see the answer as it is written."""
    body = body_of(text_of(text), model, think)
    with reached(url, key, context, namespace, release) as service:
        events = ask(service.url, service.key, body)
        if as_json:
            typer.echo(json.dumps(collected(events), ensure_ascii=False))
        else:
            Screen(sys.stdout, sys.stderr).show(events)


def body_of(text: str, model: str = "auto", think: bool | None = None) -> dict[str, Any]:
    """A request for one question."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
    if think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": think}
    return body


def collected(events: Iterable[Event]) -> dict[str, Any]:
    """The answer as one object."""
    found: dict[str, Any] = {}
    texts: dict[bool, list[str]] = {True: [], False: []}
    for event in events:
        match event:
            case Decision(model, thinking, reason, request_id):
                found |= {"model": model, "thinking": thinking, "reason": reason}
                found |= {"request_id": request_id}
            case Piece(text, is_thought):
                texts[is_thought].append(text)
            case Ended(finish_reason, usage, ttft_s, e2e_s):
                found |= {"reasoning": "".join(texts[True]), "content": "".join(texts[False])}
                found |= {"finish_reason": finish_reason, "usage": usage}
                found |= {"ttft_s": ttft_s, "e2e_s": e2e_s}
    return found


class Screen:
    """Shows an answer on a terminal, or splits it for a pipe."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err
        self._thoughts = out if out.isatty() else err
        self._was_thought: bool | None = None
        self._has_answered = False

    def show(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Decision():
                    self._note(decision_line(event))
                case Piece(text, is_thought):
                    self._piece(text, is_thought=is_thought)
                case Ended():
                    self._end(event)

    def _piece(self, text: str, *, is_thought: bool) -> None:
        if not is_thought and not self._has_answered:
            text = text.lstrip("\n")  # a model leaves empty lines between thinking and answer
            if not text:
                return
            self._has_answered = True
        if self._was_thought and not is_thought:
            print(file=self._thoughts, flush=True)
        stream = self._thoughts if is_thought else self._out
        if stream.isatty():
            text = harmless(text)
        elif is_thought and not self._was_thought:
            text = f"thinking: {text}"  # nothing is dimmed where no terminal is
        self._was_thought = is_thought
        print(_dimmed(text, stream) if is_thought else text, end="", file=stream, flush=True)

    def _end(self, ended: Ended) -> None:
        if self._was_thought is not None:
            print(file=self._thoughts if self._was_thought else self._out, flush=True)
        self._note(ended_line(ended))

    def _note(self, line: str) -> None:
        print(_dimmed(line, self._err), file=self._err, flush=True)


def decision_line(decision: Decision) -> str:
    thinking = "thinking" if decision.thinking else "not thinking"
    return f"{decision.model}, {thinking}: {decision.reason}"


def ended_line(ended: Ended) -> str:
    if ended.ttft_s is None:
        return f"no token in {ended.e2e_s:.2f} s"
    tokens = (ended.usage or {}).get("completion_tokens")
    count = "" if tokens is None else f", {tokens} tokens"
    cut = ", cut at max_tokens" if ended.finish_reason == "length" else ""
    return f"first token after {ended.ttft_s:.2f} s, all after {ended.e2e_s:.2f} s{count}{cut}"


def harmless(text: str) -> str:
    """Without control characters: a model must not drive the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _dimmed(text: str, stream: TextIO) -> str:
    return f"{DIM}{text}{PLAIN}" if stream.isatty() else text
