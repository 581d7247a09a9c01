"""Ports that request resyncs, and stacks that look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.mapping_source.buttons import EagerPort, Stack

StartPort = Callable[..., EagerPort]


@pytest.fixture
def start_port() -> Iterator[StartPort]:
    """Starts Ports on loopback."""
    started: list[EagerPort] = []

    def start(late: float = 0.0, *, told_counts: bool = True) -> EagerPort:
        port = EagerPort(late, told_counts=told_counts)
        port.start()
        started.append(port)
        return port

    yield start
    for port in started:
        port.stop()


@pytest.fixture
def stack(start_port: StartPort) -> Stack:
    """A stack whose Port requests a resync for every PATCH, at once."""
    return Stack(start_port())
