"""In which order test files run, and how many at once; and AWS within a test's own process."""

from __future__ import annotations

import os
from collections.abc import Iterator

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


@pytest.fixture
def mocked_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in this process, with nothing in it; the environment has credentials and a region for it."""
    from moto import mock_aws  # It takes long to import, and most tests do without it.

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield
