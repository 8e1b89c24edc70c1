"""Decisions: where the router sends requests, why, and what thinking costs."""

from typing import Final

from ops.dashboards.board import Board, Line, Panel, Section
from ops.dashboards.query import a_second, most
from ops.metrics import table
from serving.routing import Reason

BY_ROUTE: Final = ("model", "thinking")
OF_ROUTE: Final = "{{model}} thinking {{thinking}}"
OVERRIDES: Final = (Reason.FORCED_FAST, Reason.FORCED_DEEP, Reason.STANDS_IN)
"""Where it was neither the client nor the router that chose."""


WHERE: Final = Section(
    "Where requests go, and why",
    (
        Panel(
            "Shares of models and modes",
            "percentunit",
            "Of all decisions, the share of each model, thinking or not.",
            "if the deep model's share jumps, look beside for the reason: a client that changed, "
            "or an operator's order. `bifocal route TEXT` explains one decision.",
            (
                Line(
                    a_second(table.DECISIONS, *BY_ROUTE).share_of(a_second(table.DECISIONS)),
                    OF_ROUTE,
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Reasons",
            "reqps",
            "What settled each decision: a client's explicit wish first, then the router's rules "
            "(docs/routing.md).",
            "a reason that vanishes is a client that changed its requests; one that swells, a "
            "pattern of prompts to look at before the rules are.",
            (Line(a_second(table.DECISIONS, "reason"), "{{reason}}"),),
            stacked=True,
        ),
        Panel(
            "Overrides",
            "none",
            "Whether an operator forces a mode now (1), and requests a second that were sent by "
            "such an order or to a model that stands in for one that is away.",
            "`bifocal status` says who forced it and until when; `bifocal mode force off` ends it. "
            "`stands in`: a pool is away, see Pools.",
            (
                Line(most(table.MODE_FORCED, "mode"), "{{mode}} is forced"),
                Line(
                    a_second(table.DECISIONS, "reason", reason=f"~{'|'.join(OVERRIDES)}"),
                    "{{reason}}, requests a second",
                ),
            ),
        ),
    ),
)

THINKING: Final = Section(
    "What thinking costs",
    (
        Panel(
            "Thinking in the output",
            "percentunit",
            "Of the tokens that a model makes, the share that is thinking.",
            "if it grows while the shares of modes do not, answers think longer: see beside.",
            (
                Line(
                    a_second(table.REASONING_TOKENS, "model")
                    / (
                        a_second(table.REASONING_TOKENS, "model")
                        + a_second(table.ANSWER_TOKENS, "model")
                    ),
                    "{{model}}",
                ),
            ),
        ),
        Panel(
            "Thinking tokens of an answer",
            "none",
            "The mean of whole answers that think.",
            "if it nears what `max_tokens` leaves, answers come out empty: ask for more, or cap "
            "the thinking (docs/api.md).",
            (
                Line(
                    a_second(table.REASONING_TOKENS, "model", thinking="on")
                    / a_second(table.REQUESTS, "model", thinking="on", outcome="ok"),
                    "{{model}}",
                ),
            ),
        ),
        Panel(
            "Empty answers",
            "reqps",
            "Whole answers with nothing outside the thinking: it used up what the answer may take.",
            "raise `max_tokens` of the clients that think, or send them to `fast`.",
            (Line(a_second(table.EMPTY_ANSWERS, *BY_ROUTE), OF_ROUTE),),
            stacked=True,
        ),
    ),
)

TOKENS: Final = Section(
    "Tokens",
    (
        Panel(
            "Prompt tokens",
            "none",
            "A second, by where they went.",
            "a rise without more requests is longer prompts: first tokens come later, and the KV "
            "cache fills (Pools).",
            (Line(a_second(table.PROMPT_TOKENS, *BY_ROUTE), OF_ROUTE),),
            stacked=True,
        ),
        Panel(
            "Answer tokens",
            "none",
            "A second, without the thinking.",
            "this is what clients read; compare with Thinking tokens for what it takes.",
            (Line(a_second(table.ANSWER_TOKENS, *BY_ROUTE), OF_ROUTE),),
            stacked=True,
        ),
        Panel(
            "Thinking tokens",
            "none",
            "A second, by team.",
            "the team on top is whom to ask whether all of it must think.",
            (Line(a_second(table.REASONING_TOKENS, "team"), "{{team}}"),),
            stacked=True,
        ),
    ),
)

DECISIONS: Final = Board(
    "decisions",
    "Decisions",
    "Where the router sends requests, why, and what thinking costs.",
    (WHERE, THINKING, TOKENS),
)
