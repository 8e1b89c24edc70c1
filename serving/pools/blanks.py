"""A call that must be made ends: the engine's grammar for it allows few blanks in a row.

Where a tool is forced (`tool_choice` names one, or says `required`) vLLM builds a grammar of
Hermes' form, and between any two marks of its JSON the grammar allows blanks without end. A small
model fills its whole budget with them, and no call comes out (seen: 200 line breaks after
`{"city": `). The grammar's own library can count them; vLLM does not ask it to.

For vLLM 0.29.
"""

import functools
from types import ModuleType
from typing import Final

MODULE: Final = "vllm.tool_parsers.structural_tag_registry"
IN_A_ROW: Final = 2
"""Qwen3 writes its calls as `json.dumps` does, with one."""


def repair(module: ModuleType) -> None:
    """Whatever this module says may be JSON, has few blanks. On GPUs too, and where another
    version has no such name, nothing is done."""
    names = vars(module)
    made = names.get("JSONSchemaFormat")
    if made is not None and not isinstance(made, functools.partial):
        names["JSONSchemaFormat"] = functools.partial(made, max_whitespace_cnt=IN_A_ROW)
