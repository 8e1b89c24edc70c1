"""Kubernetes' quantities, as whole numbers of what they count, rounded up."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

SUFFIXES: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** (n + 1) for n, unit in enumerate("kMGTP")},
    **{f"{unit}i": Decimal(1024) ** (n + 1) for n, unit in enumerate("KMGTP")},
}
_QUANTITY: Final = re.compile(r"([0-9.]+)([a-zA-Z]*)")


def quantity(text: str | int) -> int:
    """`500m` is 1, `8Gi` is 8589934592."""
    found = _QUANTITY.fullmatch(str(text))
    assert found is not None, f"{text} is no quantity"
    number, suffix = found.groups()
    return int((Decimal(number) * SUFFIXES[suffix]).to_integral_value(ROUND_CEILING))
