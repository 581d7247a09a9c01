"""Stacks whose Bitbucket is full before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.aws import Moto
from local.commands.settings import NO_RESYNC
from local.machine import Machine, Product, port_stand_in
from tests.aws import moto_of
from tests.resync_end_to_end.rig import Place
from tests.resync_end_to_end.worlds import SMALL, Size, fill

Found = Callable[..., Place]


moto = moto_of("session")


@pytest.fixture(scope="module")
def found(moto: Moto) -> Iterator[Found]:
    """Deploys a stack beside a Bitbucket of that size, on which only what is asked for is resynced.

    ``port`` shares another place's Port; ``prepare`` is called with the machine before its stack starts.
    """
    with ExitStack() as exits:

        def run(
            product: Product,
            preset: str = "default",
            *,
            size: Size = SMALL,
            workspace: str = "acme",
            seed: int = 4,
            port: Any = None,
            prepare: Callable[[Machine], None] | None = None,
            **parameters: str,
        ) -> Place:
            if port is None:
                port = port_stand_in(f"{product}/{preset}")
                port.start()
                exits.callback(port.stop)
            given = {"MappingPreset": preset, **NO_RESYNC, **parameters}
            machine = Machine(product, moto=moto, port=port, workspace=workspace, parameters=given)
            exits.callback(machine.stop)
            fill(machine.bitbucket.world, size, seed=seed)
            if prepare:
                prepare(machine)
            machine.start()
            return Place(machine, preset)

        yield run
