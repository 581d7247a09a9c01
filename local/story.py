"""A short story in webhooks, told in the terminal while the catalog follows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from local.machine import Machine
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.port import PortStandIn
from local.standins.server.pull_requests import ServerWorld
from local.standins.webhook import Webhook

Scene = tuple[str, Callable[[], Sequence[Webhook]]]


def tell(machine: Machine, console: Console, stopping: threading.Event) -> None:
    """Play the story of the machine's product, up to the scene in which ``stopping`` is set.

    Raises when a webhook is not taken or never gets done.
    """
    scenes = _cloud(machine.cloud.world) if machine.product == "cloud" else _server(machine.server.world)
    name = "Bitbucket Cloud" if machine.product == "cloud" else "Bitbucket Data Center"
    console.rule(f"[bold]{name}")
    for text, act in scenes:
        if stopping.is_set():
            return
        before, started = len(machine.port.calls()), time.monotonic()
        webhooks = list(act())
        machine.tell(webhooks)
        keys = ", ".join(webhook.event_key for webhook in webhooks) or "no webhook"
        writes = sum(call.method in ("POST", "PATCH") for call in machine.port.calls()[before:])
        console.print(
            f"  {text:<58}[cyan]{keys}[/cyan]  "
            f"[dim]{(time.monotonic() - started) * 1000:.0f} ms, {writes} request{'' if writes == 1 else 's'} to Port"
        )


def show(port: PortStandIn, console: Console) -> None:
    """The catalog as one table."""
    table = Table(title="The catalog in Port", title_justify="left")
    for heading in ("Blueprint", "Identifier", "Title", "What it says"):
        table.add_column(heading, overflow="fold")
    for (blueprint, identifier), entity in sorted(port.catalog().items()):
        table.add_row(blueprint, identifier, str(entity.get("title") or ""), _gist(entity))
    console.print(table)


def _gist(entity: dict[str, Any]) -> str:
    wanted = ("status", "reviewStatus", "approvals", "defaultBranch", "visibility", "mergeCommit", "description")
    properties = entity["properties"]
    told = [f"{name} {properties[name]}" for name in wanted if properties.get(name) not in (None, "")]
    related = [f"→ {name} {target}" for name, target in entity["relations"].items() if target]
    return ", ".join(told + related)


def _cloud(world: CloudWorld) -> list[Scene]:
    ada, ben = world.create_user("Ada Lindqvist"), world.create_user("Ben Okafor")
    world.create_project("PAY", "Payments")
    pulls: list[Any] = []

    def opened() -> Sequence[Webhook]:
        world.create_branch("payments-api", "refunds")
        world.push("payments-api", "refunds", {"refunds.py": "REFUNDS = True\n"}, by=ada)
        events = world.open_pull_request("payments-api", "refunds", title="Refund in full", author=ada, reviewers=[ben])
        pulls.append(events.subject)
        return events

    return [
        ("a repository is created", lambda: world.create_repository("PAY", "payments-api")),
        ("somebody pushes to its main branch", lambda: world.push("payments-api", "main", {"a.txt": "a"}, by=ada)),
        ("a pull request is opened", opened),
        ("it is approved", lambda: world.approve(pulls[0], ben)),
        ("it is merged", lambda: world.merge(pulls[0], by=ada)),
        ("the repository is renamed", lambda: world.rename_repository("payments-api", "payments-service")),
        ("another repository is created", lambda: world.create_repository("PAY", "spike")),
        ("and deleted", lambda: world.delete_repository("spike")),
    ]


def _server(world: ServerWorld) -> list[Scene]:
    eva, kofi = world.create_user("eva", "Eva Moreau"), world.create_user("kofi", "Kofi Mensah")
    world.create_project("SHOP", "Shop")
    world.create_repository("SHOP", "cart")
    pulls: list[Any] = []

    def opened(branch: str, title: str) -> Callable[[], Sequence[Webhook]]:
        def act() -> Sequence[Webhook]:
            world.create_branch("SHOP/cart", branch)
            world.push("SHOP/cart", branch, {f"{branch}.txt": title}, by=eva)
            events = world.open_pull_request("SHOP/cart", branch, title=title, author=eva, reviewers=[kofi])
            pulls.append(events.subject)
            return events

        return act

    return [
        ("somebody pushes to a repository", lambda: world.push("SHOP/cart", "main", {"a.txt": "a"}, by=eva)),
        ("a pull request is opened", opened("coupons", "Accept coupons")),
        ("a reviewer asks for more work", lambda: world.needs_work(pulls[0], kofi)),
        ("and approves after all", lambda: world.approve(pulls[0], kofi)),
        ("it is merged", lambda: world.merge(pulls[0], by=eva)),
        ("the repository is renamed", lambda: world.rename_repository("SHOP/cart", "basket")),
        ("another pull request is opened", opened("spike", "Only a try")),
        ("and deleted", lambda: world.delete_pull_request(pulls[1])),
    ]
