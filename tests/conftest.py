"""In which order test files run, and how many at once."""

from __future__ import annotations

import os

import pytest

LONG = ("tests/resync_end_to_end/", "tests/end_to_end/")
"""Folders of files that take minutes. They begin first, so that none of them is left alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order within a file, and of the other files, stays as it is."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are processors: a test that runs the whole stack waits for other processes much of its time."""
    return (os.cpu_count() or 2) * 3 // 2
