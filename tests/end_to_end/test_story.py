"""``python -m local``: what somebody sees who starts it, and what it leaves behind."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
import requests

from local.machine import Product, webhook_path
from tests.end_to_end.command import ARRIVED, PAGE, READY, Command
from tests.end_to_end.real_servers import credentials, real_servers
from tests.end_to_end.watching import until

ANY = ("--gateway-port", "0", "--page-port", "0")
COMPLETE = re.compile("^Resync of Bitbucket Cloud: (complete) ", re.MULTILINE)


def test_it_tells_the_story_and_shows_the_catalog() -> None:
    with Command(*ANY) as command:
        assert command.wait() == 0, command.output + command.errors
        assert command.processes() == []
    assert READY.search(command.output)
    assert PAGE.search(command.output)
    assert "Everything arrived" in command.output
    before, story = command.output.split("a repository is created", 1)
    for product in ("Bitbucket Cloud", "Bitbucket Data Center"):
        assert re.search(rf"^Resync of {product}: complete ", before, re.MULTILINE), before
    assert "Resync of" not in story
    table = command.output.partition("The catalog in Port")[2]
    for repository in ("acme/payments-service", "SHOP/basket"):
        assert re.search(rf"Repository[^\n]*{repository} ", table), table
        assert re.search(rf"PullRequest[^\n]*{repository}/1 [^\n]*status MERGED", table), table
    for listed in (
        "acme/storefront/1 ",
        "acme/design-tokens ",
        "OPS/cluster/2 ",
        "OPS/runbooks ",
        "Lena Vogt",
        "Web shop",
    ):
        assert listed in table, table  # Of which no webhook told.
    for gone in ("acme/payments-api", "SHOP/cart", "spike"):
        assert gone not in table
    assert command.errors == ""


def test_the_page_shows_the_story_and_ctrl_c_leaves_no_process_behind() -> None:
    with Command(*ANY, "--keep-running") as command:
        page = command.wait_for(PAGE)
        command.wait_for(ARRIVED)
        assert "<html" in requests.get(page, timeout=10).text
        with urlopen(f"{page}/events", timeout=20) as stream:
            first = next(line for line in stream if line.startswith(b"data:"))
        for shown in (b"acme/payments-service", b"SHOP/basket", b"pullrequest:fulfilled", b"pr:merged"):
            assert shown in first
        parts = json.loads(first.removeprefix(b"data:"))["set"]
        resyncs = [part for key, part in parts.items() if key.startswith("resync/")]
        assert [one["last"]["status"] for one in resyncs] == ["complete", "complete"]
        asked = requests.post(
            f"{page}/resync", json={"stack": resyncs[0]["stack"]}, headers={"Origin": page}, timeout=30
        )
        assert asked.status_code == 202, asked.text
        assert len(command.processes()) > 3
        command.interrupt()
        assert command.wait(timeout=20) == 0
        assert command.processes() == []
    assert "Traceback" not in command.output + command.errors


@pytest.mark.parametrize("moment", ["first", "aws", "ready", "resync", "story"])
def test_ctrl_c_ends_it_at_any_moment_and_leaves_no_process_behind(moment: str) -> None:
    with Command(*ANY) as command:
        command.wait_until_it_listens_to_signals()
        if moment == "aws":  # Its process has been started, but does not answer yet.
            command.wait_for_children(1)
        elif moment == "ready":
            command.wait_for(READY)
        elif moment == "resync":
            command.wait_for(re.compile("(listing what Bitbucket has)"))
        elif moment == "story":
            command.wait_for(re.compile("(a repository is created)"))
            command.wait_for_children(2)
        command.interrupt()
        assert command.wait(timeout=30) == 0, command.output + command.errors
        assert command.processes() == []
    assert command.errors == ""
    assert "The catalog in Port" not in command.output
    if moment in ("first", "aws"):
        assert not READY.search(command.output)


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_with_real_servers_in_the_environment_it_plays_nothing_and_serves_them(product: Product) -> None:
    with real_servers(product) as (bitbucket, port):
        environment = {
            **credentials(product, bitbucket, port),
            "WEBHOOK_SECRET": "a-secret-of-my-own",
            "SCHEDULED_RESYNC_INTERVAL": "0",
            "LIST_INTERVAL": "0",
        }
        world = bitbucket.world
        world.create_project("PAY", "Payments")
        world.create_repository("PAY", "ledger", readme="# Ledger\n")
        name = "ledger" if product == "cloud" else "PAY/ledger"
        (webhook,) = world.open_pull_request(name, "work", title="Balance the books")
        with Command(*ANY, **environment) as command:
            url = command.wait_for(READY)
            assert port.entities(pull_requests(product)) == {}
            assert bitbucket.deliver(url, "a-secret-of-my-own", webhook, path=webhook_path(webhook)) == [202]
            until(lambda: bool(port.entities(pull_requests(product))), lambda: command.output + command.errors)
            command.interrupt()
            assert command.wait(timeout=20) == 0
            assert command.processes() == []
        (entity,) = port.entities(pull_requests(product)).values()
        assert entity["title"] == "Balance the books"
        assert "catalog in Port" not in command.output


def test_with_real_servers_the_resync_that_is_due_begins_and_others_follow(tmp_path: Path) -> None:
    with real_servers("cloud") as (bitbucket, port):
        world = bitbucket.world
        world.create_project("PAY", "Payments")
        world.create_repository("PAY", "ledger", readme="# Ledger\n")
        environment = credentials("cloud", bitbucket, port)
        with Command(*ANY, "--keep", str(tmp_path), **environment) as command:
            command.wait_for(COMPLETE)
            assert list(port.entities("bitbucketCloudRepository")) == ["acme/ledger"]
            command.interrupt()
            assert command.wait(timeout=30) == 0, command.output + command.errors

        world.create_repository("PAY", "books", readme="# Books\n")  # Of which no webhook tells.
        with Command(*ANY, "--keep", str(tmp_path), "--resync-every", "5s", **environment) as command:
            command.wait_for(READY)
            until(lambda: len(port.entities("bitbucketCloudRepository")) == 2, lambda: command.output + command.errors)
            command.interrupt()
            assert command.wait(timeout=30) == 0, command.output + command.errors
        assert command.errors == ""


def test_half_of_the_credentials_are_named_and_refused() -> None:
    with Command(*ANY, BITBUCKET_TOKEN="a-token") as command:
        assert command.wait(timeout=30) == 2
    assert "PORT_CLIENT_ID, PORT_CLIENT_SECRET" in command.output
    assert "a-token" not in command.output + command.errors


@pytest.mark.parametrize(("option", "what"), [("--gateway-port", "the API"), ("--page-port", "the page")])
def test_a_port_that_is_taken_is_said_and_leaves_no_process_behind(option: str, what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with Command(*ANY, option, str(number)) as command:
            assert command.wait(timeout=60) == 2
            assert command.processes() == []
    assert f"port {number}, wanted for {what}, is in use" in command.output
    assert command.errors == ""


def pull_requests(product: Product) -> str:
    return "bitbucketCloudPullRequest" if product == "cloud" else "bitbucketServerPullRequest"
