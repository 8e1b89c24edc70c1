"""A plugin: says which of the collected tests a mark would skip."""

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    marked = [
        item.nodeid
        for item in session.items
        for mark in item.iter_markers()
        if mark.name == "skip" or (mark.name == "skipif" and any(mark.args))
    ]
    print(f"skipped: {', '.join(marked) or 'none'}")
