"""JSON that must come ends: the engine's grammar for it allows few blanks in a row.

Where a tool is forced (`tool_choice` names one, or says `required`), or a `response_format` asks
for JSON, vLLM has a grammar built that allows blanks without end between any two marks. A small
model fills its whole budget with them, and nothing comes out (seen: 200 line breaks after
`{"city": `, hundreds of spaces after `{"sum": 7`). The grammar's own library can count them; vLLM
does not ask it to.

For vLLM 0.29 and xgrammar 0.2.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from serving.pools.sharding.patching import wrap

FORCED_CALLS: Final = "vllm.tool_parsers.structural_tag_registry"
SCHEMAS: Final = "xgrammar.compiler"
IN_A_ROW: Final = 2
"""Qwen3 writes its calls as `json.dumps` does, with one."""


def repair_forced_calls(module: ModuleType) -> None:
    """Whatever this module says may be JSON, has few blanks. On GPUs too, and where another
    version has no such name, nothing is done."""
    names = vars(module)
    made = names.get("JSONSchemaFormat")
    if made is not None and not isinstance(made, functools.partial):
        names["JSONSchemaFormat"] = functools.partial(made, max_whitespace_cnt=IN_A_ROW)


def repair_schemas(module: ModuleType) -> None:
    """The same for a schema, and for any JSON object."""
    compiler = vars(module).get("GrammarCompiler")
    if compiler is not None:
        wrap(compiler, "compile_json_schema", _counted)


def _counted(compile_json_schema: Callable[..., Any]) -> Callable[..., Any]:
    def compile_with_few_blanks(*args: Any, **options: Any) -> Any:
        return compile_json_schema(*args, **{"max_whitespace_cnt": IN_A_ROW, **options})

    return compile_with_few_blanks
