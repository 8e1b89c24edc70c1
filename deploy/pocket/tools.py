"""Tools as OpenAI's API describes them, and the calls that fit them.

It decides how an offer looks (names, descriptions, parameters) and what the one right call is
for given values. Names and descriptions are drawn from the caller's pool: training mixes real
with made-up ones, so that a model copies what is offered instead of knowing it by heart.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing a tool can do: the JSON types of its parameters and the words that tell it."""

    types: tuple[str, ...]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    parameters: tuple[tuple[str, ...], ...]
    extra: str = ""


TRAINING: dict[str, Kind] = {
    "weather": Kind(
        ("string",),
        ("get_weather", "weather", "current_weather", "weather_lookup", "city_weather"),
        (
            "Get the weather in a city",
            "Current weather of a place",
            "Weather forecast",
            "Tells the weather for a location",
            "Get the current weather for a given city.",
            "Returns weather conditions such as rain and sun",
        ),
        (("city",), ("location",), ("place",), ("town",)),
        "unit",
    ),
    "time": Kind(
        ("string",),
        ("get_time", "clock", "current_time", "local_time", "time_in"),
        (
            "Get the time in a city",
            "Current local time of a place",
            "Tells what time the clock shows",
            "Get the current time for a given city.",
            "Time of day in a location",
        ),
        (("city",), ("location",), ("place",), ("zone",)),
        "format",
    ),
    "convert": Kind(
        ("number", "string", "string"),
        ("convert", "convert_currency", "exchange", "currency_converter", "convert_units"),
        (
            "Convert an amount from one currency to another",
            "Exchange money",
            "Currency and unit conversion",
            "Converts amounts between units",
            "Convert currency.",
        ),
        (
            ("amount", "from", "to"),
            ("amount", "from_currency", "to_currency"),
            ("value", "source", "target"),
            ("n", "base", "quote"),
        ),
        "date",
    ),
    "order": Kind(
        ("string",),
        ("get_order", "order_status", "track_order", "lookup_order", "find_order"),
        (
            "Look up the status of an order",
            "Track an order by its number",
            "Where is an order",
            "Get an order's shipping status.",
            "Order lookup",
        ),
        (("order_id",), ("order",), ("id",), ("number",)),
        "detail",
    ),
    "add": Kind(
        ("array",),
        ("add", "sum_numbers", "calculator", "add_numbers", "total"),
        (
            "Add numbers",
            "Calculates the sum of numbers",
            "Adds up a list of numbers",
            "A calculator for sums.",
            "Sum of all numbers",
        ),
        (("numbers",), ("values",), ("terms",), ("list",)),
        "precision",
    ),
}

EXAM: dict[str, Kind] = {
    "weather": Kind(
        ("string",),
        ("fetch_weather", "weather_now", "weather_report"),
        ("Look up the weather for one city", "Current weather conditions in a town"),
        (("city_name",), ("where",)),
        "units",
    ),
    "time": Kind(
        ("string",),
        ("time_now", "world_clock", "what_time"),
        ("Look up the local time for one city", "Clock: the current time of a location"),
        (("city_name",), ("where",)),
        "style",
    ),
    "convert": Kind(
        ("number", "string", "string"),
        ("exchange_money", "to_currency", "currency_exchange"),
        ("Exchange an amount of one currency for another", "Convert units and money"),
        (("sum", "have", "want"), ("quantity", "from_unit", "to_unit")),
        "day",
    ),
    "order": Kind(
        ("string",),
        ("order_info", "shipping_status", "where_is_order"),
        ("Find the status of one order", "Tracks the order with a given number"),
        (("order_number",), ("reference",)),
        "full",
    ),
    "add": Kind(
        ("array",),
        ("sum_of", "adder", "sum_list"),
        ("Add up all the numbers of a list", "Calculator: sum of numbers"),
        (("all_numbers",), ("items",)),
        "round",
    ),
}

Value = str | int | list[int]


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool on offer: what the client sends, and how a call of it is written."""

    kind: str
    name: str
    parameters: tuple[str, ...]
    schema: dict[str, Any]

    def call(self, values: Sequence[Value]) -> dict[str, Any]:
        return {"name": self.name, "arguments": dict(zip(self.parameters, values, strict=True))}


def offer(
    rng: random.Random,
    kinds: dict[str, Kind],
    kind: str,
    invented: Callable[[], str] = lambda: "",
) -> Offer:
    """A tool of this kind; what `invented` makes up replaces a name, unless it is empty."""
    made = kinds[kind]
    name = invented() or rng.choice(made.names)
    parameters = tuple(invented() or known for known in rng.choice(made.parameters))
    if len(set(parameters)) < len(parameters):
        parameters = made.parameters[0]
    properties: dict[str, Any] = {}
    for parameter, type_ in zip(parameters, made.types, strict=True):
        properties[parameter] = {"type": type_}
        if type_ == "array":
            properties[parameter]["items"] = {"type": rng.choice(["integer", "number"])}
        if rng.random() < 0.3:
            properties[parameter]["description"] = parameter.replace("_", " ").capitalize()
    if rng.random() < 0.2:
        properties[made.extra] = {"type": "string"}
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    function = {"name": name, "description": rng.choice(made.descriptions), "parameters": schema}
    return Offer(kind, name, parameters, {"type": "function", "function": function})


def written(call: dict[str, Any]) -> str:
    """The text of a call in Qwen3's format."""
    return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
