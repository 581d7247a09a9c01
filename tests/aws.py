"""AWS for tests: Moto as a server, for those that start functions or a command beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from local.aws import Moto


def moto_of(scope: Literal["session", "module"]) -> Callable[..., Any]:
    """A fixture of a started Moto, one for each session or module of those who can see the fixture."""

    @pytest.fixture(scope=scope)
    def moto() -> Iterator[Moto]:
        server = Moto()
        server.start()
        yield server
        server.stop()

    return moto
