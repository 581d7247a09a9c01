"""The fixtures of the clients' tests: answering servers and a clock that moves only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bitbucket.answering import AnsweringServer, Clock


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    """The server that is asked."""
    with AnsweringServer() as answering:
        yield answering


@pytest.fixture
def other_server() -> Iterator[AnsweringServer]:
    """A server that must never be asked."""
    with AnsweringServer() as answering:
        yield answering


@pytest.fixture
def clock() -> Clock:
    """Time for deadlines, pauses and budgets."""
    return Clock()
