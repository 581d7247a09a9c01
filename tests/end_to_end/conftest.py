"""The whole stack on this machine, one for each kind of test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.aws import Moto
from local.commands.settings import NO_RESYNC
from local.machine import Machine, Product, port_stand_in

Deploy = Callable[..., Machine]


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    server = Moto()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def deploy(moto: Moto) -> Iterator[Deploy]:
    """Deploys a stack with its own stand-ins, on which nothing is resynced unless parameters say so.

    ``preset``, template parameters, the webhook ``secret`` and a ``change`` of the translated template may be given.
    With ``set_up`` the stack sets itself up, in a Port that has nothing.
    """
    with ExitStack() as exits:

        def run(
            product: Product,
            preset: str = "default",
            *,
            secret: str = "",
            change: Callable[[dict[str, Any]], None] | None = None,
            set_up: bool = False,
            **parameters: Any,
        ) -> Machine:
            port = port_stand_in(*(() if set_up else (f"{product}/{preset}",)))
            port.start()
            exits.callback(port.stop)
            given = {"MappingPreset": preset, **NO_RESYNC, **parameters}
            machine = Machine(product, moto=moto, port=port, parameters=given, change=change, set_up=set_up)
            exits.callback(machine.stop)
            machine.stack.webhook_secret = secret
            machine.start()
            return machine

        yield run


@pytest.fixture(scope="module")
def cloud(deploy: Deploy) -> Machine:
    return deploy("cloud")


@pytest.fixture(scope="module")
def server(deploy: Deploy) -> Machine:
    return deploy("server")
