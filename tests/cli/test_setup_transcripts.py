"""``docs/setup.md`` shows what ``bitbucket-port setup`` says, also of everything that may be wrong with webhooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from bitbucket_port.cli.settings import NAMES, SETUP_NAMES
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.server import hooks as server_hooks
from tests.cli import transcripts
from tests.cli.transcripts import DOCS, PORT_URL, check, known_as, only, settings, typed

DOCUMENT = "setup.md"
WEBHOOKS = ("Webhook", "Bitbucket version")
"""How the rows begin that are about webhooks."""
Bitbucket = BitbucketCloudStandIn | BitbucketServerStandIn


class Desk:
    """Somebody with a terminal, a Bitbucket and a Port. ``addresses``: where these are in truth."""

    def __init__(self, bitbucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.bitbucket = bitbucket
        self.port = transcripts.port()
        self.port.start()
        self.bitbucket.start()
        self.addresses = {PORT_URL: self.port.url, **transcripts.addresses(bitbucket)}
        self.environment = settings(bitbucket, self.port)
        self._capsys = capsys

    def types(self, command: str, **changed: str) -> str:
        return typed(command, {**self.environment, **changed}, self._capsys)

    def written(self) -> list[str]:
        """Requests that changed something, or might have."""
        asked = ("/access_token", "/search", "/webhooks/test")
        return [
            f"{one.method} {one.path}"
            for one in (*self.port.calls(), *self.bitbucket.requests)
            if one.method != "GET" and not one.path.endswith(asked)
        ]

    def stop(self) -> None:
        self.bitbucket.stop()
        self.port.stop()


@pytest.fixture
def desk_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Bitbucket], Desk]]:
    # A Data Center told to try our address; everybody else's requests there are answered by ``known_as``.
    monkeypatch.setattr(server_hooks, "post", lambda *_, **__: SimpleNamespace(data=b"", status=200, headers={}))
    with ExitStack() as exits:

        def make(bitbucket: Bitbucket) -> Desk:
            desk = Desk(bitbucket, capsys)
            exits.callback(desk.stop)
            exits.enter_context(known_as(desk.addresses, monkeypatch))
            return desk

        yield make


def cloud() -> BitbucketCloudStandIn:
    bitbucket = transcripts.Cloud("acme", seed=3)
    for project, repositories in (("PAY", ("payments", "ledger")), ("WEB", ("shop",))):
        bitbucket.world.create_project(project, project.title())
        for repository in repositories:
            bitbucket.world.create_repository(project, repository)
    return bitbucket


def server(*projects: str) -> BitbucketServerStandIn:
    bitbucket = BitbucketServerStandIn(seed=3)
    for project in projects:
        bitbucket.world.create_project(project, project.title())
        bitbucket.world.create_repository(project, f"{project} app")
    return bitbucket


TEN = ("APP", "BILLING", "CORE", "DATA", "EDGE", "FLEET", "GEO", "HR", "INFRA", "JOBS")


def test_a_check_before_anything_is_there(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(cloud())
    check(DOCUMENT, "check", desk.types("setup --check"))
    assert desk.written() == []


def test_set_up(desk_of: Callable[[Bitbucket], Desk]) -> None:
    check(DOCUMENT, "setup", desk_of(cloud()).types("setup"))


def test_wrong_credentials(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(cloud())
    check(DOCUMENT, "refused", desk.types("setup --check", BITBUCKET_TOKEN="expired-token"))


def test_a_token_without_the_webhook_scope(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(cloud())
    desk.bitbucket.scopes = {"account", "project", "pullrequest", "repository"}
    shown = [desk.types("setup --check"), desk.types("setup")]
    check(DOCUMENT, "scope", [only(one, "Webhook", "Bitbucket scopes") for one in shown])
    assert desk.bitbucket.hooks == []


def test_a_token_that_may_not_administer_the_workspace(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(cloud())
    desk.bitbucket.workspace_owner = False
    desk.bitbucket.hook_page_size = 20
    others = desk.bitbucket.add_foreign_hooks(45, "payments")
    shown = [desk.types("setup --check"), desk.types("setup")]
    check(DOCUMENT, "repositories", [only(one, *WEBHOOKS) for one in shown])
    desk.types("setup")  # Ours are on the last of three pages now.
    assert len(desk.bitbucket.hooks) == len(others) + 3


def test_webhooks_that_somebody_edited(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(server("APP", "BILLING", "CORE", "DATA"))
    desk.types("setup")
    app, billing, core, data = desk.bitbucket.hooks
    desk.bitbucket.disable_hook(app)
    desk.bitbucket.change_hook_events(billing, ["repo:refs_changed"])
    desk.bitbucket.change_hook_secret(core, "another secret")
    desk.bitbucket.remove_hook(data)
    written = len(desk.written())
    first = desk.types("setup --check")
    assert len(desk.written()) == written
    shown = [first, desk.types("setup"), desk.types("setup --check")]
    check(DOCUMENT, "edited", [only(one, *WEBHOOKS) for one in shown])


def test_one_forbidden_project_of_ten_and_an_event_that_the_server_refuses(
    desk_of: Callable[[Bitbucket], Desk],
) -> None:
    desk = desk_of(server(*TEN))
    desk.bitbucket.forbid_hooks("EDGE")
    desk.bitbucket.refuse_event("pr:comment:edited")
    desk.bitbucket.add_foreign_hooks(60, "APP")
    shown = desk.types("setup")
    check(DOCUMENT, "forbidden", only(shown, *WEBHOOKS))
    assert len([hook for hook in desk.bitbucket.hooks if hook.url.startswith(transcripts.HOOKS_URL)]) == 9


def test_each_version_of_the_data_center(desk_of: Callable[[Bitbucket], Desk]) -> None:
    rows: list[str] = []
    for version in ("7.21.0", "8.7.1", "8.8.0", "8.19.2", "9.4.2", "10.2.0"):
        bitbucket = server("APP", "BILLING")
        bitbucket.world.create_repository("APP", "second")
        bitbucket.version = version
        rows += [line for line in desk_of(bitbucket).types("setup").splitlines() if line[1:].startswith(WEBHOOKS)]
        # An event that somebody subscribes to must be one that this version knows.
        assert {key for hook in bitbucket.hooks for key in hook.events} <= set(bitbucket.known_events())
    check(DOCUMENT, "versions", "\n".join(rows))


def test_a_pipeline_of_ports_own_integration_is_checked_with_its_own_names(
    desk_of: Callable[[Bitbucket], Desk],
) -> None:
    desk = desk_of(cloud())
    desk.environment = {
        "COLUMNS": transcripts.WIDTH,
        "OCEAN__PORT__CLIENT_ID": desk.port.client_id,
        "OCEAN__PORT__CLIENT_SECRET": desk.port.client_secret,
        "OCEAN__INTEGRATION__CONFIG__BITBUCKET_WORKSPACE": "acme",
        "OCEAN__INTEGRATION__CONFIG__BITBUCKET_WORKSPACE_TOKEN": desk.bitbucket.token,
        "OCEAN__INTEGRATION__CONFIG__WEBHOOK_SECRET": "theirs",
        "OCEAN__BASE_URL": transcripts.HOOKS_URL,
        "OCEAN__INITIALIZE_PORT_RESOURCES": "0",
    }
    shown = desk.types("setup --check")
    assert "workspace acme lets this token in" in shown
    assert f"{transcripts.HOOKS_URL}/webhooks/push is missing" in " ".join(shown.split())
    assert "Blueprint" not in shown
    assert desk.written() == []


def test_missing_settings_are_named_and_nothing_is_asked(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(cloud())
    del desk.environment["BITBUCKET_TOKEN"], desk.environment["BITBUCKET_WORKSPACE"]
    shown = desk.types("setup --check")
    assert "BITBUCKET_TOKEN is not set" in shown
    assert "BITBUCKET_WORKSPACE is not set" in shown
    assert shown.endswith("[exit status 2]")
    assert [*desk.port.calls(), *desk.bitbucket.requests] == []


def test_webhooks_are_left_alone_where_nobody_says_what_they_are_signed_with(
    desk_of: Callable[[Bitbucket], Desk],
) -> None:
    desk = desk_of(cloud())
    for command in ("setup --check", "setup"):
        assert "WEBHOOK_SECRET is not set" in desk.types(command, WEBHOOK_SECRET="")
    assert desk.bitbucket.hooks == []


def test_webhook_only_asks_bitbucket_nothing(desk_of: Callable[[Bitbucket], Desk]) -> None:
    desk = desk_of(cloud())
    del desk.environment["BITBUCKET_TOKEN"]
    shown = desk.types("setup --check", BITBUCKET_API="none")
    assert "Bitbucket is never asked" in shown
    assert desk.bitbucket.requests == []


def test_a_blueprint_of_somebody_else_is_shown_what_it_lacks_to_paste_as_it_is(
    desk_of: Callable[[Bitbucket], Desk],
) -> None:
    desk = desk_of(cloud())
    desk.types("setup")
    (blueprint,) = [one for one in desk.port.blueprints() if one["identifier"] == "bitbucketCloudProject"]
    assert "see (1) below" not in desk.types("setup --check")
    lacking = next(iter(blueprint["schema"]["properties"]))
    del blueprint["schema"]["properties"][lacking]
    desk.port.put_blueprint(blueprint)
    shown = desk.types("setup")
    assert "see (1) below" in shown
    pasted = json.loads("{" + shown.split("\n(1) ", 1)[1].split("{", 1)[1].rpartition("}")[0] + "}")
    assert list(pasted["schema"]["properties"]) == [lacking]


def test_every_setting_is_told() -> None:
    text = (DOCS / DOCUMENT).read_text(encoding="utf-8")
    assert [name for name in SETUP_NAMES if name not in NAMES and f"`{name}`" not in text] == []
