"""What the stand-ins' Bitbucket holds before the first webhook, so that a resync finds something to list.

Bitbucket Cloud's workspace and Data Center hold two projects each, one of which the story in ``local.story`` goes on
with; their repositories and pull requests are others than the story's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server.pull_requests import ServerWorld

BEGAN = timedelta(days=20)
"""How long ago it all began: not so long that the mapping leaves out what was merged."""
BETWEEN = timedelta(minutes=11)


def furnish(world: CloudWorld | ServerWorld) -> None:
    """Fill an empty world; it tells nobody."""
    present = world.now
    world.now = _past(present() - BEGAN)
    try:
        if isinstance(world, CloudWorld):
            _cloud(world)
        else:
            _server(world)
    finally:
        world.now = present


def _past(began: datetime) -> Callable[[], datetime]:
    """A clock that goes on a little each time somebody looks at it."""
    looks = 0

    def now() -> datetime:
        nonlocal looks
        looks += 1
        return began + looks * BETWEEN

    return now


def _cloud(world: CloudWorld) -> None:
    ada, ben, chi = (world.create_user(name) for name in ("Ada Lindqvist", "Ben Okafor", "Chi Nakamura"))
    world.create_project("PAY", "Payments", description="Everything that moves money")
    world.create_project("WEB", "Web shop")
    world.create_repository("PAY", "fraud-rules", readme="# Fraud rules\n", language="python", by=ada)
    world.create_repository("WEB", "storefront", readme="# Storefront\n", language="typescript", by=chi)
    world.create_repository("WEB", "design-tokens", description="Colours and sizes", is_private=False)

    scores = world.open_pull_request("fraud-rules", "scores", title="Explain each score", author=ada, reviewers=[ben])
    world.approve(scores.subject, ben)
    world.merge(scores.subject, by=ada)
    limits = world.open_pull_request("fraud-rules", "limits", title="Limits per country", author=ben, reviewers=[ada])
    world.request_changes(limits.subject, ada)
    search = world.open_pull_request("storefront", "search", title="Search as you type", author=chi, reviewers=[ada])
    world.approve(search.subject, ada)
    world.merge(search.subject, by=chi)
    world.open_pull_request("storefront", "dark", title="Dark mode", author=chi, reviewers=[ada, ben])


def _server(world: ServerWorld) -> None:
    eva, kofi, lena = (
        world.create_user(name, display_name)
        for name, display_name in (("eva", "Eva Moreau"), ("kofi", "Kofi Mensah"), ("lena", "Lena Vogt"))
    )
    world.create_project("SHOP", "Shop")
    world.create_project("OPS", "Operations", description="What keeps the lights on")
    world.create_repository("SHOP", "cart", readme="# Cart\n", by=eva)
    world.create_repository("OPS", "cluster", readme="# Cluster\n", by=lena)
    world.create_repository("OPS", "runbooks", readme="# Runbooks\n", archived=True)

    alerts = world.open_pull_request("OPS/cluster", "alerts", title="Fewer alerts", author=lena, reviewers=[kofi])
    world.approve(alerts.subject, kofi)
    world.merge(alerts.subject, by=lena)
    nodes = world.open_pull_request("OPS/cluster", "nodes", title="Larger nodes", author=kofi, reviewers=[lena, eva])
    world.needs_work(nodes.subject, lena)
