"""A short story in webhooks, told in the terminal while the catalog follows it.

Each scene finds what it needs in the world, so that a story that was interrupted goes on with its next scene.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from local.machine import Machine
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.port import PortStandIn
from local.standins.server.pull_requests import ServerWorld
from local.standins.webhook import Webhook

PATIENCE = 120.0
"""Real seconds that one scene's webhooks may take."""


@dataclass
class Progress:
    """How many scenes of each product were told, and the lock under which one more is.

    Under the lock a scene is either not begun or has all its webhooks delivered, so that nobody who saves the machine's
    state then can see half a scene.
    """

    told: dict[str, int]
    lock: threading.Lock


def tell(machine: Machine, console: Console, stopping: threading.Event, progress: Progress, *, pause: float) -> None:
    """Play what is left of the story of the machine's product, until ``stopping`` is set.

    ``pause`` are real seconds between scenes, for somebody who looks on. Raises RuntimeError when a webhook is not
    taken, TimeoutError when what it set off never gets done.
    """
    scenes = _CLOUD if machine.product == "cloud" else _SERVER
    name = "Bitbucket Cloud" if machine.product == "cloud" else "Bitbucket Data Center"
    begun = progress.told.get(machine.product, 0)
    if machine.has_webhooks and not _settled(machine, stopping):  # They are made by jobs, after the deployment.
        return
    if begun < len(scenes):
        console.rule(f"[bold]{name}")
    for text, act in scenes[begun:]:
        if stopping.is_set():
            return
        before, started = len(machine.port.calls()), time.monotonic()
        with progress.lock:
            progress.told[machine.product] = progress.told.get(machine.product, 0) + 1
            webhooks = _happen(machine, act)
        if not _settled(machine, stopping):
            return
        writes = sum(call.method in ("POST", "PATCH") for call in machine.port.calls()[before:])
        keys = ", ".join(webhook.event_key for webhook in webhooks)
        console.print(
            f"  {text:<58}[cyan]{keys}[/cyan]  "
            f"[dim]{(time.monotonic() - started) * 1000:.0f} ms, {writes} request{'' if writes == 1 else 's'} to Port"
        )
        stopping.wait(pause)


def show(port: PortStandIn, console: Console) -> None:
    """The catalog as one table."""
    table = Table(title="The catalog in Port", title_justify="left")
    for heading in ("Blueprint", "Identifier", "Title", "What it says"):
        table.add_column(heading, overflow="fold")
    for (blueprint, identifier), entity in sorted(port.catalog().items()):
        table.add_row(blueprint, identifier, str(entity.get("title") or ""), _gist(entity))
    console.print(table)


def _happen(machine: Machine, act: Callable[[Any], Sequence[Webhook]]) -> list[Webhook]:
    webhooks = list(act(machine.bitbucket.world))
    statuses = machine.send(webhooks)
    if any(status is None or status >= 300 for status in statuses):
        raise RuntimeError(f"webhooks were answered with {statuses}")
    return webhooks


def _settled(machine: Machine, stopping: threading.Event) -> bool:
    """Wait until all is done; False when told to stop before it was."""
    end = time.monotonic() + PATIENCE
    while not stopping.is_set():
        try:
            machine.stack.settle(1.0, jump=False)
        except TimeoutError:
            if time.monotonic() > end:
                raise
        else:
            return True
    return False


def _gist(entity: dict[str, Any]) -> str:
    wanted = ("status", "reviewStatus", "approvals", "defaultBranch", "visibility", "mergeCommit", "description")
    properties = entity["properties"]
    told = [f"{name} {properties[name]}" for name in wanted if properties.get(name) not in (None, "")]
    related = [f"→ {name} {target}" for name, target in entity["relations"].items() if target]
    return ", ".join(told + related)


# --- Bitbucket Cloud -------------------------------------------------------------------------------------------------


def _member(world: CloudWorld, name: str) -> Any:
    known = next((user for user in world.users if user.display_name == name), None)
    return known or world.create_user(name)


def _create_api(world: CloudWorld) -> Sequence[Webhook]:
    if all(project.key != "PAY" for project in world.projects):
        world.create_project("PAY", "Payments")
    return world.create_repository("PAY", "payments-api")


def _push_api(world: CloudWorld) -> Sequence[Webhook]:
    return world.push("payments-api", "main", {"a.txt": "a"}, by=_member(world, "Ada Lindqvist"))


def _open_refunds(world: CloudWorld) -> Sequence[Webhook]:
    ada, ben = _member(world, "Ada Lindqvist"), _member(world, "Ben Okafor")
    world.create_branch("payments-api", "refunds")
    world.push("payments-api", "refunds", {"refunds.py": "REFUNDS = True\n"}, by=ada)
    return world.open_pull_request("payments-api", "refunds", title="Refund in full", author=ada, reviewers=[ben])


def _approve_refunds(world: CloudWorld) -> Sequence[Webhook]:
    return world.approve(world.pull_request("payments-api", 1), _member(world, "Ben Okafor"))


def _merge_refunds(world: CloudWorld) -> Sequence[Webhook]:
    return world.merge(world.pull_request("payments-api", 1), by=_member(world, "Ada Lindqvist"))


_CLOUD: tuple[tuple[str, Callable[[Any], Sequence[Webhook]]], ...] = (
    ("a repository is created", _create_api),
    ("somebody pushes to its main branch", _push_api),
    ("a pull request is opened", _open_refunds),
    ("it is approved", _approve_refunds),
    ("it is merged", _merge_refunds),
    ("the repository is renamed", lambda world: world.rename_repository("payments-api", "payments-service")),
    ("another repository is created", lambda world: world.create_repository("PAY", "spike")),
    ("and deleted", lambda world: world.delete_repository("spike")),
)


# --- Bitbucket Data Center -------------------------------------------------------------------------------------------


def _user(world: ServerWorld, name: str, display_name: str) -> Any:
    known = next((user for user in world.users if user.name == name), None)
    return known or world.create_user(name, display_name)


def _eva(world: ServerWorld) -> Any:
    return _user(world, "eva", "Eva Moreau")


def _kofi(world: ServerWorld) -> Any:
    return _user(world, "kofi", "Kofi Mensah")


def _push_cart(world: ServerWorld) -> Sequence[Webhook]:
    if all(project.key != "SHOP" for project in world.projects):
        world.create_project("SHOP", "Shop")
        world.create_repository("SHOP", "cart")
    return world.push("SHOP/cart", "main", {"a.txt": "a"}, by=_eva(world))


def _open(world: ServerWorld, branch: str, title: str) -> Sequence[Webhook]:
    world.create_branch("SHOP/cart", branch)  # After its renaming too: old paths go on working.
    world.push("SHOP/cart", branch, {f"{branch}.txt": title}, by=_eva(world))
    return world.open_pull_request("SHOP/cart", branch, title=title, author=_eva(world), reviewers=[_kofi(world)])


_SERVER: tuple[tuple[str, Callable[[Any], Sequence[Webhook]]], ...] = (
    ("somebody pushes to a repository", _push_cart),
    ("a pull request is opened", lambda world: _open(world, "coupons", "Accept coupons")),
    ("a reviewer asks for more work", lambda world: world.needs_work(world.pull_request("SHOP/cart", 1), _kofi(world))),
    ("and approves after all", lambda world: world.approve(world.pull_request("SHOP/cart", 1), _kofi(world))),
    ("it is merged", lambda world: world.merge(world.pull_request("SHOP/cart", 1), by=_eva(world))),
    ("the repository is renamed", lambda world: world.rename_repository("SHOP/cart", "basket")),
    ("another pull request is opened", lambda world: _open(world, "spike", "Only a try")),
    ("and deleted", lambda world: world.delete_pull_request(world.pull_request("SHOP/cart", 2))),
)
