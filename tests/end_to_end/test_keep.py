"""``--keep``: a machine that was stopped goes on where it was, and forgets only when told to."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from local.standins.port import PortStandIn
from local.state import read_objects
from tests.end_to_end.command import ARRIVED, READY, Command
from tests.end_to_end.real_servers import credentials, real_servers
from tests.end_to_end.watching import until

ANY = ("--gateway-port", "0", "--page-port", "0")
APPROVED = re.compile("(it is approved)")
MERGED_BEFORE = {"Explain each score", "Search as you type", "Fewer alerts"}
"""Those that were there before the story."""
MERGED_TITLES = {"Refund in full", "Accept coupons"} | MERGED_BEFORE


def snapshot(folder: Path) -> tuple[dict[str, Any], Path]:
    document = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return document, folder / str(document["snapshot"])


def merged(folder: Path) -> set[str]:
    """Titles of the pull requests that Port has as merged."""
    entities = read_objects(snapshot(folder)[1] / "port")["entities"].values()
    return {str(entity["title"]) for entity in entities if entity["properties"].get("status") == "MERGED"}


def test_a_story_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    with Command(*ANY, "--keep", str(tmp_path)) as command:
        url = command.wait_for(READY)
        command.wait_for(APPROVED)
        command.interrupt()
        assert command.wait(timeout=30) == 0, command.output + command.errors
    assert "a repository is created" in command.output
    document, _ = snapshot(tmp_path)
    assert 4 <= document["facts"]["told"]["cloud"] < 8
    assert merged(tmp_path) - MERGED_BEFORE <= {"Refund in full"}

    # The clock may run faster now; it never goes back behind what has happened.
    with Command(*ANY, "--keep", str(tmp_path), "--time-scale", "5") as command:
        assert command.wait_for(READY) == url
        assert command.wait() == 0, command.output + command.errors
    assert ARRIVED.search(command.output)
    for told_before in ("a repository is created", "it is approved"):
        assert told_before not in command.output
    assert "the repository is renamed" in command.output
    assert command.output.count("Going on where it was left") == 1
    assert merged(tmp_path) == MERGED_TITLES
    assert command.errors == ""
    document, files = snapshot(tmp_path)
    assert document["facts"]["told"] == {"cloud": 8, "server": 8}
    assert json.loads((files / "aws.json").read_text(encoding="utf-8"))["at"] > time.time() + 10


def test_a_machine_that_was_killed_goes_on_from_its_last_whole_snapshot(tmp_path: Path) -> None:
    with Command(*ANY, "--keep", str(tmp_path)) as command:
        command.wait_for(APPROVED)
        deadline = time.monotonic() + 60
        while not (tmp_path / "state.json").exists():
            assert time.monotonic() < deadline, command.output + command.errors
            time.sleep(0.05)
        command.processes()
        os.kill(command.process.pid, signal.SIGKILL)
        command.wait(timeout=30)
        deadline = time.monotonic() + 20  # They notice that nobody asks any more.
        while command.processes():
            assert time.monotonic() < deadline, command.processes()
            time.sleep(0.05)

    with Command(*ANY, "--keep", str(tmp_path)) as command:
        assert command.wait() == 0, command.output + command.errors
    assert ARRIVED.search(command.output)
    assert merged(tmp_path) == MERGED_TITLES
    assert command.errors == ""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    with Command(*ANY, "--keep", str(folder)) as command:
        command.wait_for(READY)
        command.interrupt()
        assert command.wait(timeout=30) == 0, command.output + command.errors
    assert snapshot(folder)[0]["facts"]["told"].get("cloud", 0) < 8
    return folder


def test_state_of_other_settings_is_refused_until_it_is_reset(kept: Path) -> None:
    with Command(*ANY, "--keep", str(kept), MAPPING_PRESET="ocean") as command:
        assert command.wait(timeout=60) == 2
    assert "MappingPreset" in command.output
    assert "--reset" in command.output
    assert command.errors == ""

    with Command(*ANY, "--keep", str(kept), "--reset", MAPPING_PRESET="ocean") as command:
        command.wait_for(READY)
        command.interrupt()
        assert command.wait(timeout=30) == 0, command.output + command.errors
    assert "Going on" not in command.output
    assert snapshot(kept)[0]["purpose"]["MappingPreset"] == "ocean"


def test_a_broken_state_is_refused_in_words(kept: Path) -> None:
    _, files = snapshot(kept)
    purpose = snapshot(kept)[0]["purpose"]
    (files / "aws.json").write_text("{", encoding="utf-8")

    preset = {"MAPPING_PRESET": purpose["MappingPreset"]} if "MappingPreset" in purpose else {}
    with Command(*ANY, "--keep", str(kept), **preset) as command:
        assert command.wait(timeout=60) == 2, command.output + command.errors
        assert command.processes() == []
    assert "aws.json" in command.output
    assert "--reset" in command.output
    assert command.errors == ""


def test_with_real_servers_the_ledger_is_kept_and_a_new_token_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    with real_servers("cloud") as (bitbucket, port):
        world = bitbucket.world
        world.create_project("PAY", "Payments")
        (created,) = world.create_repository("PAY", "ledger", readme="# Ledger")
        environment = credentials("cloud", bitbucket, port)
        with Command(*ANY, "--keep", str(tmp_path), WEBHOOK_SECRET="first-secret", **environment) as command:
            url = command.wait_for(READY)
            assert bitbucket.deliver(url, "first-secret", created) == [202]
            until(lambda: "acme/ledger" in repositories(port), lambda: command.output + command.errors)
            command.interrupt()
            assert command.wait(timeout=30) == 0, command.output + command.errors
        assert all("token" not in path.read_text("utf-8").lower() for path in (tmp_path / "logs").rglob("*.log"))

        bitbucket.token = "another-token"
        (renamed,) = world.rename_repository("ledger", "books")
        environment = credentials("cloud", bitbucket, port)
        with Command(*ANY, "--keep", str(tmp_path), WEBHOOK_SECRET="second-secret", **environment) as command:
            assert command.wait_for(READY) == url
            assert bitbucket.deliver(url, "second-secret", renamed) == [202]
            # Only who remembers what it wrote renames it; anybody else would make a second one.
            until(lambda: list(repositories(port)) == ["acme/books"], lambda: command.output + command.errors)
            command.interrupt()
            assert command.wait(timeout=30) == 0, command.output + command.errors
        assert command.errors == ""


def repositories(port: PortStandIn) -> dict[str, Any]:
    return port.entities("bitbucketCloudRepository")
