"""Puts the worker of a run together from what it works with, in a function and in one process alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.strays import spared
from bitbucket_port.reading import BitbucketReader
from bitbucket_port.resync.children import ChildrenWorker
from bitbucket_port.resync.leftovers import Leftovers
from bitbucket_port.resync.listing import Listings, Show
from bitbucket_port.resync.plan import Plan, plan
from bitbucket_port.resync.portside import PortSide
from bitbucket_port.resync.run import RunFollowers, SendJobs
from bitbucket_port.resync.start import Intervals, Starter
from bitbucket_port.resync.store import RunKind, RunStore
from bitbucket_port.resync.sweep import Sweeps
from bitbucket_port.resync.worker import Log, RunWorker, Told


@dataclass(frozen=True)
class Parts:
    """What a worker works with. ``applier`` makes one for followers; ``spent``: requests to Bitbucket and to Port.

    ``follows_up``: when a run ends, the one that was asked for meanwhile begins with a message sent the same way.
    ``compared``: the applier's writer compares with Port itself, so that nothing has to be compared afterwards.
    ``show``: is shown what listings bring (``setup.examples``).
    """

    store: RunStore
    ledger: Ledger
    engine: MappingEngine
    bitbucket: BitbucketReader
    port: PortClient
    applier: Callable[[RunFollowers], Applier]
    source: Callable[[], str]
    send: SendJobs
    time_left: Callable[[], bool]
    spent: Callable[[], tuple[int, int]]
    clock: Callable[[], float] = time.time
    log: Log = field(default_factory=lambda: logging.getLogger("bitbucket_port.resync"))
    told: Told | None = None
    follows_up: bool = False
    compared: bool = False
    show: Show | None = None


def run_worker(parts: Parts) -> RunWorker:
    """The worker; it keeps nothing from one message to the next, so one will do for a process."""
    mapping = parts.engine.mapping
    followers = RunFollowers(parts.send, clock=parts.clock)
    applier = parts.applier(followers)

    @cache
    def listings_of(kind: RunKind) -> Plan:
        return plan(mapping, mapping.product, kind)

    leftovers = Leftovers(
        ledger=parts.ledger,
        ours=parts.port.ours,
        spared=partial(spared, parts.port),
        # Whatever the mapping allows for what it made: nobody knows what relates to an unclaimed entity.
        delete=partial(parts.port.delete, delete_dependents=False),
        rewrite=applier.rewrite,
    )
    return RunWorker(
        store=parts.store,
        send=parts.send,
        mapping_hash=mapping.hash,
        listings=Listings(
            plan=listings_of,
            kinds=frozenset(parts.engine.kinds()),
            bitbucket=parts.bitbucket,
            catalog=applier,
            ledger=parts.ledger,
            source=parts.source,
            time_left=parts.time_left,
            clock=parts.clock,
            show=parts.show,
        ),
        port_side=PortSide(
            mapping=mapping,
            port=parts.port,
            catalog=applier,
            ledger=parts.ledger,
            source=parts.source,
            time_left=parts.time_left,
            clock=parts.clock,
            spared=partial(spared, parts.port),
            compares=not parts.compared,
        ),
        sweeps=Sweeps(
            catalog=applier,
            ledger=parts.ledger,
            kinds=frozenset(parts.engine.kinds()),
            threshold=mapping.deletion_threshold,
            leftovers=leftovers,
            clock=parts.clock,
        ),
        children=ChildrenWorker(
            ledger=parts.ledger,
            applier=applier,
            lister=parts.bitbucket,
            leftovers=leftovers,
            time_left=parts.time_left,
            clock=parts.clock,
        ),
        followers=followers,
        spent=parts.spent,
        clock=parts.clock,
        log=parts.log,
        told=parts.told,
        starter=_starter(parts) if parts.follows_up else None,
    )


def _starter(parts: Parts) -> Starter:
    """Begins only what was asked for: what is due by itself is the tick's business."""
    return Starter(
        store=parts.store,
        send=lambda message, *, delay=0: parts.send([message], delay),
        mapping_hash=parts.engine.mapping.hash,
        kinds=frozenset(parts.engine.kinds()),
        intervals=Intervals(0, 0),
        clock=parts.clock,
    )
