"""``python -m local invoke``: one event, what was answered, logged and done, and an exit code that says whether."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.commands import dispatch
from local.commands.settings import PARAMETER_OF
from local.standins.cloud.learning import learn
from local.standins.cloud.pull_requests import CloudWorld
from scripts.sign_events import EVENTS
from tests.end_to_end.real_servers import credentials, real_servers

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command; its exit code and what it printed."""
    for name in (*PARAMETER_OF, "WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> tuple[int, str]:
        code = dispatch.run(["invoke", *map(str, arguments)], threading.Event())
        return code, capsys.readouterr().out

    return run


def changed(tmp_path: Path, name: str, change: Callable[[dict[str, Any]], object]) -> Path:
    event = json.loads((EVENTS / name).read_text(encoding="utf-8"))
    change(event)
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return path


def test_an_event_is_answered_and_bitbucket_is_asked_for_what_it_lacks(invoke: Run) -> None:
    code, said = invoke(EVENTS / "cloud" / "repo-push.json")

    assert code == 0, said
    assert "answer 202" in said
    assert "PushReceive INFO webhook stored" in said
    assert "reading=refresh" in said
    entity = said.partition("+ bitbucketCloudRepository acme/payments-api\n")[2].partition("\n  + ")[0]
    assert "defaultBranch: 'main'" in entity
    assert "→ project: 'acme/PAY'" in entity


def test_several_events_tell_one_story(invoke: Run) -> None:
    files = [EVENTS / "server" / f"{name}.json" for name in ("pr-opened", "pr-merged", "pr-deleted")]

    code, said = invoke(*files)

    assert code == 0, said
    opened, merged, deleted = (
        said.split("pr-opened.json")[1].replace("pr-deleted.json", "pr-merged.json").split("pr-merged.json")
    )
    assert "+ bitbucketServerPullRequest PAY/payments-api/17" in opened
    assert "~ bitbucketServerPullRequest PAY/payments-api/17" in merged
    assert "status: 'OPEN' → 'MERGED'" in merged
    assert "- bitbucketServerPullRequest PAY/payments-api/17" in deleted


def test_an_event_with_a_wrong_signature_fails(invoke: Run, tmp_path: Path) -> None:
    path = changed(tmp_path, "cloud/repo-push.json", lambda event: event.update(body=event["body"] + " "))

    code, said = invoke(path)

    assert code == 1
    assert "answer 401" in said
    assert "nothing changed" in said


def test_a_connection_test_is_answered_and_changes_nothing(invoke: Run) -> None:
    code, said = invoke(EVENTS / "server" / "diagnostics-ping.json")

    assert code == 0, said
    assert "answer 200" in said
    assert "nothing changed" in said


def test_webhook_only_mode_is_asked_for_in_the_environment(invoke: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITBUCKET_API", "none")

    code, said = invoke(EVENTS / "cloud" / "repo-created.json")

    assert code == 0, said
    assert "reading=payload" in said
    assert "reading=refresh" not in said


def test_with_credentials_it_asks_and_writes_to_those_servers(invoke: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = EVENTS / "cloud" / "repo-push.json"
    event = json.loads(path.read_text(encoding="utf-8"))
    with real_servers("cloud") as (bitbucket, port):
        assert isinstance(bitbucket.world, CloudWorld)
        learn(bitbucket.world, "repo:push", json.loads(event["body"]), datetime.now(UTC))
        for name, value in credentials("cloud", bitbucket, port).items():
            monkeypatch.setenv(name, value)

        code, said = invoke(path)

        assert code == 0, said
        assert "acme/payments-api" in port.entities("bitbucketCloudRepository")
        assert bitbucket.requests != []
    assert "in Port" not in said
