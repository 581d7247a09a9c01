"""``python -m local``: what somebody sees who starts it, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from local.__main__ import PARAMETER_OF
from local.machine import PORT_CLIENT_ID, PORT_CLIENT_SECRET, Product, port_stand_in, webhook_path
from local.stack import ROOT
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn
from tests.end_to_end.watching import until

READY = re.compile(r"^ready (http://127\.0\.0\.1:\d+)$", re.MULTILINE)


class Command:
    """``python -m local`` in a session of its own, as a terminal would run it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if name not in {*PARAMETER_OF, "WEBHOOK_SECRET"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "--gateway-port", "0", *arguments],
            cwd=ROOT,
            env={**clean, **environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.output = self.errors = ""
        self._said = threading.Condition()
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self.processes():
            os.kill(number, signal.SIGKILL)
        self.process.wait()

    def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        for line in stream:
            with self._said:
                if name == "out":
                    self.output += line
                else:
                    self.errors += line
                self._said.notify_all()

    def wait_for(self, pattern: re.Pattern[str], timeout: float = 60.0) -> str:
        """The first group of the pattern, once it is in the output."""
        with self._said:
            assert self._said.wait_for(lambda: pattern.search(self.output), timeout), self.output + self.errors
            found = pattern.search(self.output)
        assert found is not None
        return found.group(1)

    def wait(self, timeout: float = 90.0) -> int:
        """The exit code."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(10)
        return code

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: a signal to every process in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)

    def processes(self) -> list[int]:
        """The processes of its session that are alive."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue  # It ended while we looked.
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
        return found


def test_it_tells_the_story_and_shows_the_catalog() -> None:
    with Command() as command:
        assert command.wait() == 0, command.output + command.errors
        assert command.processes() == []
    assert READY.search(command.output)
    assert "Everything arrived" in command.output
    table = command.output.partition("The catalog in Port")[2]
    for repository in ("acme/payments-service", "SHOP/basket"):
        assert re.search(rf"Repository[^\n]*{repository} ", table), table
        assert re.search(rf"PullRequest[^\n]*{repository}/1 [^\n]*status MERGED", table), table
    for gone in ("acme/payments-api", "SHOP/cart", "spike"):
        assert gone not in table
    assert command.errors == ""


def test_ctrl_c_ends_it_and_leaves_no_process_behind() -> None:
    with Command("--keep-running") as command:
        command.wait_for(re.compile("(Everything arrived)"))
        assert len(command.processes()) > 3
        command.interrupt()
        assert command.wait(timeout=20) == 0
        assert command.processes() == []
    assert "Traceback" not in command.output + command.errors


def test_ctrl_c_in_the_middle_of_the_story_ends_it_too() -> None:
    with Command() as command:
        command.wait_for(READY)
        command.wait_for(re.compile("(a repository is created)"))
        command.interrupt()
        assert command.wait(timeout=20) == 0
        assert command.processes() == []
    assert "Traceback" not in command.output + command.errors
    assert "The catalog in Port" not in command.output


@contextmanager
def real_servers(product: Product) -> Iterator[tuple[BitbucketCloudStandIn | BitbucketServerStandIn, PortStandIn]]:
    """A Bitbucket and a Port that somebody else started."""
    port = port_stand_in(f"{product}/default")
    bitbucket = BitbucketCloudStandIn("acme") if product == "cloud" else BitbucketServerStandIn()
    port.start()
    bitbucket.start()
    try:
        yield bitbucket, port
    finally:
        bitbucket.stop()
        port.stop()


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_with_real_servers_in_the_environment_it_plays_nothing_and_serves_them(product: Product) -> None:
    with real_servers(product) as (bitbucket, port):
        environment = {
            "BITBUCKET_PRODUCT": product,
            "BITBUCKET_URL": bitbucket.api_url,
            "BITBUCKET_TOKEN": bitbucket.token,
            "PORT_CLIENT_ID": PORT_CLIENT_ID,
            "PORT_CLIENT_SECRET": PORT_CLIENT_SECRET,
            "PORT_BASE_URL": port.url,
            "WEBHOOK_SECRET": "a-secret-of-my-own",
            **({"BITBUCKET_WORKSPACE": "acme"} if product == "cloud" else {}),
        }
        world = bitbucket.world
        world.create_project("PAY", "Payments")
        world.create_repository("PAY", "ledger", readme="# Ledger\n")
        name = "ledger" if product == "cloud" else "PAY/ledger"
        (webhook,) = world.open_pull_request(name, "work", title="Balance the books")
        with Command(**environment) as command:
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


def test_half_of_the_credentials_are_named_and_refused() -> None:
    with Command(BITBUCKET_TOKEN="a-token") as command:
        assert command.wait(timeout=30) == 2
    assert "PORT_CLIENT_ID, PORT_CLIENT_SECRET" in command.output
    assert "a-token" not in command.output + command.errors


def pull_requests(product: Product) -> str:
    return "bitbucketCloudPullRequest" if product == "cloud" else "bitbucketServerPullRequest"
