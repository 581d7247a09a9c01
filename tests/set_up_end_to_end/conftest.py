"""Whole stacks that set themselves up, against stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.aws import Moto
from local.machine import Machine, Product, port_stand_in
from tests.aws import moto_of

Deploy = Callable[..., Machine]


moto = moto_of("session")


@pytest.fixture(scope="module")
def machine_of(moto: Moto) -> Iterator[Deploy]:
    """Makes a stack with its own stand-ins and an empty Port, not started; ``parameters`` are the template's."""
    with ExitStack() as exits:

        def make(product: Product, **parameters: Any) -> Machine:
            port = port_stand_in()
            port.start()
            exits.callback(port.stop)
            machine = Machine(product, moto=moto, port=port, parameters=parameters, set_up=True)
            exits.callback(machine.stop)
            return machine

        yield make
