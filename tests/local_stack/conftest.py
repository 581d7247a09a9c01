"""Small stacks on one AWS for each module, and functions by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.aws import Moto
from local.stack import Stack
from tests.aws import moto_of
from tests.local_stack.function_desk import Desk
from tests.local_stack.small_stack import Resource, stack

Make = Callable[..., Stack]


moto = moto_of("module")


@pytest.fixture
def make(moto: Moto) -> Iterator[Make]:
    """A started stack of these resources."""
    with ExitStack() as exits:

        def start(given: dict[str, Resource], **more: Any) -> Stack:
            made = stack(moto, given, **more)
            exits.callback(made.stop)
            made.start()
            return made

        yield start


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.stop()
