"""Draws the house: which room imports which, from the code itself, as a Mermaid chart.

python -m tests.house > docs/house.md
"""

import sys

import grimp

FLOORS = ("deploy", "ops", "serving")

HEAD = """# The house

Which room imports which, drawn from the code by `python -m tests.house > docs/house.md`; a test
keeps it current. Every arrow runs down. The contracts in `pyproject.toml` hold it so.

"""


def rooms_and_arrows() -> tuple[list[str], list[tuple[str, str]]]:
    """The rooms (top-level modules and packages of each floor) and the imports between them."""
    graph = grimp.build_graph(*FLOORS, cache_dir=None)
    rooms = sorted(child for floor in FLOORS for child in graph.find_children(floor))
    arrows = [
        (importer, imported)
        for importer in rooms
        for imported in rooms
        if importer != imported
        and graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)
    ]
    return rooms, arrows


def draw() -> str:
    rooms, arrows = rooms_and_arrows()
    lines = ["```mermaid", "flowchart TD"]
    for floor in FLOORS:
        lines.append(f"  subgraph {floor}")
        lines += [
            f'    {room}["{room.removeprefix(floor + ".")}"]'
            for room in rooms
            if room.startswith(floor + ".")
        ]
        lines.append("  end")
    lines += [f"  {importer} --> {imported}" for importer, imported in arrows]
    return HEAD + "\n".join([*lines, "```", ""])


if __name__ == "__main__":
    sys.stdout.write(draw())
