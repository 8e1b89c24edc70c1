"""Which model answers a request, and whether it thinks: wishes first, then a table of rules.

A wish of the client (a model's name, a switch, an effort) always wins; `auto` decides by rules
over the request's features. Which replica is not decided here. Pure, and total: every request gets
a route or a `BifocalError` that says which modes there are.

The tables are the documentation: `docs/routing.md` is made from them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from serving.errors import UnsupportedParameter
from serving.routing.family import Depth, Family
from serving.values import AUTO, Mode, ModelName, RequestFacts, Route


class Reason(StrEnum):
    """Why a route was taken: what settled it. Closed, since it is a label of the metrics."""

    NAMED_MODEL = "named model"
    FAST_ASKED = "fast asked"
    DEEP_ASKED = "deep asked"
    THINKING_OFF = "thinking switched off"
    THINKING_ON = "thinking switched on"
    EFFORT = "reasoning effort"
    CODE = "code"
    MATHEMATICS = "mathematics"
    SUM = "sum of several numbers"
    REASONING_WORDS = "reasoning words"
    TOOLS = "tools offered"
    LONG_PROMPT = "long prompt"
    SIMPLE = "short and simple"
    FORCED_FAST = "forced fast"
    FORCED_DEEP = "forced deep"
    STANDS_IN = "stands in"
    """For a model that is away."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An explicit wish about thinking. `modes` would all do, the first best."""

    says: str
    made: Callable[[RequestFacts], bool]
    modes: tuple[Mode, ...]
    reason: Reason
    param: str


_SWITCH: Final = "chat_template_kwargs.enable_thinking"
_EFFORT: Final = "reasoning_effort"
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

WISHES: Final = (
    # The first that was made holds. As in Qwen3, the hard "off" is above the soft switches, and
    # these are above the hard "on".
    Wish(
        f"`{_SWITCH}` is false",
        lambda facts: facts.enable_thinking is False,
        (Mode.PLAIN,),
        Reason.THINKING_OFF,
        _SWITCH,
    ),
    Wish(
        "`/no_think` is the last switch of the latest user turn",
        lambda facts: facts.soft_switch is Mode.PLAIN,
        (Mode.PLAIN,),
        Reason.THINKING_OFF,
        "messages",
    ),
    Wish(
        "`/think` is the last switch of the latest user turn",
        lambda facts: facts.soft_switch is Mode.THINKING,
        (Mode.THINKING,),
        Reason.THINKING_ON,
        "messages",
    ),
    Wish(
        f"`{_SWITCH}` is true",
        lambda facts: facts.enable_thinking is True,
        (Mode.THINKING,),
        Reason.THINKING_ON,
        _SWITCH,
    ),
    Wish(
        f"`{_EFFORT}` is none",
        lambda facts: facts.reasoning_effort == "none",
        (Mode.PLAIN,),
        Reason.EFFORT,
        _EFFORT,
    ),
    Wish(
        # It means few or no reasoning tokens, for the sake of time. A hybrid checkpoint that is
        # let think thinks at length, so "no" is nearer to it; one that can only think may.
        f"`{_EFFORT}` is minimal",
        lambda facts: facts.reasoning_effort == "minimal",
        (Mode.PLAIN, Mode.THINKING),
        Reason.EFFORT,
        _EFFORT,
    ),
    Wish(
        f"`{_EFFORT}` is low, medium, high, xhigh or max",
        lambda facts: facts.reasoning_effort is not None,
        (Mode.THINKING,),
        Reason.EFFORT,
        _EFFORT,
    ),
)

LONG_QUESTION_CHARS: Final = 2_000
LONG_PROMPT_CHARS: Final = 16_000
"""About 500 and 4,000 tokens of English: beyond, small models lose the thread first."""
EASY_NUMBERS: Final = 2
EASY_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """Where `auto` sends requests of a kind."""

    says: str
    fits: Callable[[RequestFacts], bool]
    depth: Depth
    reason: Reason


def _is_long_sum(facts: RequestFacts) -> bool:
    many, long = facts.numbers > EASY_NUMBERS, facts.longest_number > EASY_DIGITS
    return facts.asks_for_sum and (many or long)


RULES: Final = (
    # The first that fits holds. What is hard stands above tools, since agents offer tools with
    # every request; tools stand above length, since their prompts are always long.
    Rule("code, or a task about code", lambda facts: facts.has_code, Depth.DEEP, Reason.CODE),
    Rule(
        "a formula, or words of mathematics",
        lambda facts: facts.has_maths,
        Depth.DEEP,
        Reason.MATHEMATICS,
    ),
    Rule(
        f"a sum of more than {EASY_NUMBERS} numbers, or of one with more than {EASY_DIGITS} digits",
        _is_long_sum,
        Depth.DEEP,
        Reason.SUM,
    ),
    Rule(
        "words that ask for steps, a proof, an analysis",
        lambda facts: facts.asks_for_reasoning,
        Depth.DEEP,
        Reason.REASONING_WORDS,
    ),
    Rule("tools are offered", lambda facts: facts.tools > 0, Depth.FAST, Reason.TOOLS),
    Rule(
        f"the latest user turn is over {LONG_QUESTION_CHARS:,} characters, or all messages are over"
        f" {LONG_PROMPT_CHARS:,}",
        lambda facts: (
            facts.question_chars > LONG_QUESTION_CHARS or facts.prompt_chars > LONG_PROMPT_CHARS
        ),
        Depth.DEEP,
        Reason.LONG_PROMPT,
    ),
    Rule("anything else", lambda _: True, Depth.FAST, Reason.SIMPLE),
)


def choose(facts: RequestFacts, family: Family, forced: Depth | None = None) -> Route:
    """`forced` is an operator's word on where `auto` goes. Raises UnknownModel, or
    UnsupportedParameter for a mode that the model does not have."""
    wish = _wish_of(facts)
    name = facts.model.lower()
    if name == AUTO and forced is not None:
        return _by_force(forced, wish, family)
    if name == AUTO:
        return _by_rules(facts, wish, family)
    if name in (Depth.FAST, Depth.DEEP):
        depth = Depth(name)
        reason = Reason.FAST_ASKED if depth is Depth.FAST else Reason.DEEP_ASKED
        return _route((family.at(depth),), wish, family, (depth.mode, reason))
    model = family.resolve(facts.model)
    return _route((model,), wish, family, (family.modes(model)[0], Reason.NAMED_MODEL))


def _wish_of(facts: RequestFacts) -> Wish | None:
    effort = facts.reasoning_effort
    if effort is not None and effort not in EFFORTS:
        msg = f"{_EFFORT}: found {effort[:64]!r}; allowed: {', '.join(EFFORTS)}"
        raise UnsupportedParameter(msg, param=_EFFORT)
    return next((wish for wish in WISHES if wish.made(facts)), None)


def _by_rules(facts: RequestFacts, wish: Wish | None, family: Family) -> Route:
    """With a wish to think the deep model is asked first. With a wish not to think, the fast one,
    unless the rules call the request hard: then the deep one answers without thinking."""
    rule = next(rule for rule in RULES if rule.fits(facts))
    thinks = wish is not None and wish.modes[0] is Mode.THINKING
    first = Depth.DEEP if thinks else rule.depth
    second = Depth.FAST if first is Depth.DEEP else Depth.DEEP
    models = (family.at(first), family.at(second))
    return _route(models, wish, family, (rule.depth.mode, rule.reason))


def _by_force(forced: Depth, wish: Wish | None, family: Family) -> Route:
    """An operator decides for the rules, not for the client: a wish about thinking holds, and the
    other model answers where the forced one cannot do what is wished."""
    reason = Reason.FORCED_FAST if forced is Depth.FAST else Reason.FORCED_DEEP
    other = Depth.DEEP if forced is Depth.FAST else Depth.FAST
    models = (family.at(forced), family.at(other))
    return replace(_route(models, wish, family, (forced.mode, reason)), reason=reason)


def _route(
    models: tuple[ModelName, ...], wish: Wish | None, family: Family, own: tuple[Mode, Reason]
) -> Route:
    """The first of `models` that can do what is wished; without a wish the first of all."""
    if wish is None:
        mode, reason = own
        offered = family.modes(models[0])
        return Route(models[0], mode if mode in offered else offered[0], reason)
    for mode in wish.modes:
        for model in models:
            if mode in family.modes(model):
                return Route(model, mode, wish.reason)
    raise _cannot(models, wish, family)


def _cannot(models: tuple[ModelName, ...], wish: Wish, family: Family) -> UnsupportedParameter:
    have = "; ".join(
        f"{model} has only {' and '.join(family.modes(model))}" for model in dict.fromkeys(models)
    )
    msg = f"{wish.says}, which asks for {wish.modes[0]}, but {have}"
    return UnsupportedParameter(msg, param=wish.param)
