"""The command line of ``python -m local``: what it takes, and what it says of what it cannot do."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.commands import dispatch, options, resync_progress, run_stack
from local.commands.changes import changes
from local.commands.settings import (
    PARAMETER_OF,
    SettingsError,
    product_of,
    real_servers,
    with_stand_ins,
)
from local.machine import Product
from local.resyncs import Look
from scripts.sign_events import EVENTS
from tests.page.fakes import finished, going_on

CREDENTIALS = {"BITBUCKET_TOKEN": "t", "PORT_CLIENT_ID": "i", "PORT_CLIENT_SECRET": "s"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*PARAMETER_OF, "WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    yield


def test_without_a_command_it_runs() -> None:
    for arguments in ([], ["--keep"], ["--gateway-port", "0"]):
        assert options.parse(arguments).command == "run"
    assert options.parse(["invoke", "a.json"]).command == "invoke"


def test_the_defaults_are_those_of_the_documents() -> None:
    chosen = options.parse([])

    assert (chosen.gateway_port, chosen.page_port, chosen.time_scale) == (3000, 3001, 1.0)
    assert (chosen.keep, chosen.reset, chosen.keep_running, chosen.exit) == (None, False, False, False)
    assert chosen.resync_every == 0


def test_keep_takes_a_folder_or_its_own() -> None:
    assert options.parse(["--keep"]).keep == ""
    assert options.parse(["--keep", "there"]).keep == "there"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--time-scale", "0"],
        ["--time-scale", "-1"],
        ["--time-scale", "nan"],
        ["--time-scale", "fast"],
        ["--keep-running", "--exit"],
        ["--resync-every", "0"],
        ["--resync-every", "-5"],
        ["--resync-every", "1h"],
        ["--resync-every", "s"],
        ["--resync-every", ""],
        ["--resync-every", "1.5m"],
        ["--resync-every"],
        ["invoke"],
        ["invoke", "--product", "github", "a.json"],
        ["stop"],
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.parse(arguments)

    assert end.value.code == 2
    assert "usage: python -m local" in capsys.readouterr().err


def test_the_help_names_both_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.parse(["--help"])

    assert end.value.code == 0
    assert {"run", "invoke"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300)])
def test_resyncs_come_every_so_many_seconds_or_minutes(text: str, seconds: float) -> None:
    assert options.parse(["--resync-every", text]).resync_every == seconds


@pytest.mark.parametrize(
    ("arguments", "on_terminal", "stays"),
    [
        ([], True, True),
        ([], False, False),
        (["--exit"], True, False),
        (["--keep-running"], False, True),
        (["--keep"], False, False),
    ],
)
def test_it_stays_after_the_story_where_somebody_can_end_it(
    arguments: list[str], on_terminal: bool, stays: bool
) -> None:
    assert run_stack.runs_on(options.parse(arguments), on_terminal=on_terminal) is stays


# --- settings --------------------------------------------------------------------------------------------------------


def test_without_credentials_the_servers_are_stand_ins() -> None:
    assert real_servers({"BITBUCKET_WORKSPACE": "acme", "LOG_LEVEL": "DEBUG"}) is None
    assert with_stand_ins({"BITBUCKET_WORKSPACE": "acme", "LOG_LEVEL": "DEBUG"}) == {"LogLevel": "DEBUG"}


def test_with_credentials_every_setting_becomes_its_parameter() -> None:
    found = real_servers({**CREDENTIALS, "BITBUCKET_PRODUCT": "server", "BITBUCKET_URL": "https://b.example"})

    assert found == {
        "BitbucketToken": "t",
        "PortClientId": "i",
        "PortClientSecret": "s",
        "BitbucketProduct": "server",
        "BitbucketUrl": "https://b.example",
    }
    assert product_of(found) == "server"
    assert product_of({}) == "cloud"


def test_webhook_only_mode_needs_no_token() -> None:
    found = real_servers({"PORT_CLIENT_ID": "i", "PORT_CLIENT_SECRET": "s", "BITBUCKET_API": "none"})

    assert found is not None
    assert found["BitbucketToken"] == "-"


@pytest.mark.parametrize("missing", sorted(CREDENTIALS))
def test_a_missing_credential_is_named(missing: str) -> None:
    given = {name: value for name, value in CREDENTIALS.items() if name != missing}

    with pytest.raises(SettingsError, match=f"^Set {missing} too"):
        real_servers(given)


# --- resyncs in the terminal -----------------------------------------------------------------------------------------


class Scripted:
    """Resyncs that are a step further at every look, and stay at the last."""

    def __init__(self, product: Product, *looks: Look) -> None:
        self.product = product
        self._looks = list(looks)

    def look(self) -> Look:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]

    def start(self, reason: str) -> None:
        raise AssertionError(reason)


def followed(*resyncs: Scripted, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=terminal, highlight=False)
    resync_progress.follow(resyncs, console, threading.Event())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_phase_of_a_resync_is_a_line_and_the_end_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resync_progress, "LOOK_EVERY", 0.0)
    done = Look(last=finished(project={"listed": 2, "created": 2}, user={"listed": 1, "unchanged": 1}))
    cloud = Scripted("cloud", going_on(), going_on(), going_on("port"), done)

    assert followed(cloud).splitlines() == [
        "  Bitbucket Cloud: listing what Bitbucket has",
        "  Bitbucket Cloud: comparing with Port",
        "Resync of Bitbucket Cloud: complete in 3.1 s, with 12 requests to Bitbucket and 1 to Port",
        "  2 projects, 1 user; 2 created, 1 unchanged",
    ]


def test_on_a_terminal_the_progress_of_every_stack_is_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resync_progress, "LOOK_EVERY", 0.0)
    cloud = Scripted("cloud", going_on(jobs=3, project={"listed": 2}), Look(last=finished()))
    server = Scripted("server", Look(), going_on(jobs=1), Look(last=finished("partial")))

    said = followed(cloud, server, terminal=True)

    assert "Resync of Bitbucket Cloud" in said
    assert "listing what Bitbucket has, 3 jobs open" in said
    assert "2 projects" in said
    assert "Resync of Bitbucket Data Center" in said
    assert said.rstrip().endswith("nothing listed yet; nothing changed")


def test_what_failed_in_a_resync_is_told_word_for_word() -> None:
    failures = [{"kind": "repository", "what": "repository#[red]a", "reason": "[bold]403"}]

    said = followed(Scripted("cloud", Look(last=finished("partial", failures=failures))))

    assert "Bitbucket Cloud: partial" in said
    assert "  repository#[red]a: [bold]403" in said.splitlines()


def test_who_is_told_to_stop_waits_for_no_resync() -> None:
    stopping = threading.Event()
    stopping.set()
    endless = Scripted("cloud", going_on())

    resync_progress.wait([endless], stopping)
    resync_progress.follow([endless], Console(file=io.StringIO()), stopping)


# --- what cannot be done ---------------------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    return dispatch.run(arguments, threading.Event())


def test_time_does_not_fly_for_real_servers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    assert run("--time-scale", "10") == 2
    assert "real time" in capsys.readouterr().out


def test_who_is_told_to_stop_at_once_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stopping = threading.Event()
    stopping.set()

    assert dispatch.run(["--gateway-port", "0"], stopping) == 0
    assert dispatch.run(["invoke", str(EVENTS / "cloud" / "repo-push.json")], stopping) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("{", "JSONDecodeError"),
        ("[]", "no event as API Gateway hands it"),
        (json.dumps({"Records": []}), "no event as API Gateway hands it"),
    ],
)
def test_a_file_that_is_no_event_is_refused_in_words(
    content: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "event.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    assert run("invoke", str(path)) == 2

    said = capsys.readouterr().out.replace("\n", " ")
    assert why in said
    assert "event.json" in said


# --- changes ---------------------------------------------------------------------------------------------------------


def test_changes_are_told_value_by_value() -> None:
    before: dict[tuple[str, str], dict[str, Any]] = {
        ("repo", "kept"): {"title": "Kept", "team": [], "properties": {"a": 1}, "relations": {}},
        ("repo", "moved"): {"title": "Old", "team": [], "properties": {"a": 1, "b": 2}, "relations": {"project": "P"}},
        ("repo", "gone"): {"title": "Gone", "team": [], "properties": {}, "relations": {}},
    }
    after: dict[tuple[str, str], dict[str, Any]] = {
        ("repo", "kept"): before["repo", "kept"],
        ("repo", "moved"): {"title": "New", "team": [], "properties": {"a": 1}, "relations": {"project": "Q"}},
        ("repo", "come"): {"title": None, "team": [], "properties": {"c": 3}, "relations": {}},
    }

    assert changes(before, after) == [
        "+ repo come",
        "    c: 3",
        "- repo gone",
        "~ repo moved",
        "    b: 2 → None",
        "    title: 'Old' → 'New'",
        "    → project: 'P' → 'Q'",
    ]
