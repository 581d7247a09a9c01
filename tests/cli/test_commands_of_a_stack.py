"""``setup`` and ``uninstall`` with ``--stack``: the stack's own settings, secrets, ledger and queue."""

from __future__ import annotations

import pytest

from bitbucket_port.mapping.shipped import load_blueprints
from bitbucket_port.setup.store import ReportStore
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn
from tests.cli.deployed import NAME, Stack, bitbucket, moment, port, stack
from tests.cli.transcripts import HOOKS_URL, WIDTH, typed

__all__ = ["bitbucket", "moment", "port", "stack"]
ENVIRONMENT = {
    "COLUMNS": WIDTH,
    "INTEGRATION_IDENTIFIER": "of-something-else",
    "BITBUCKET_USERNAME": "somebody",
    "LIVE_EVENTS": "false",
    "BASE_URL": "https://elsewhere.example.com",
}
"""Of whoever types the command; the stack has its own."""


def types(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    return typed(f"{command} --stack {NAME}", ENVIRONMENT, capsys)


def test_set_up_orders_the_webhooks_and_keeps_its_report(
    stack: Stack, bitbucket: BitbucketServerStandIn, port: PortStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = types("setup", capsys)
    assert "looking after them was ordered" in shown
    assert bitbucket.hooks == []
    stack.look_after_webhooks()
    assert {hook.url for hook in bitbucket.hooks} == {f"{HOOKS_URL}/webhooks"}
    assert {hook.secret for hook in bitbucket.hooks} == {"what signs webhooks"}
    assert {str(hook.settings["name"]) for hook in bitbucket.hooks} == {
        f"bitbucket-port/{stack.environment['STACK_ID']}"
    }
    assert port.integration("bitbucket-server-bitbucket.acme.example") is not None
    assert {one["identifier"] for one in port.blueprints()} >= {"bitbucketServerProject", "bitbucketServerRepository"}
    report = ReportStore(stack.runtime.ledger).last()
    assert report is not None
    assert report.occasion == "by hand"
    assert "3 are right, at 3 projects" in types("status", capsys)


def test_a_check_looks_into_bitbucket_and_changes_nothing(
    stack: Stack, bitbucket: BitbucketServerStandIn, port: PortStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    types("setup", capsys)
    stack.look_after_webhooks()
    bitbucket.disable_hook(bitbucket.hooks[0])
    before = len(port.calls()), len(bitbucket.requests)
    shown = types("setup --check", capsys)
    assert "differs in active" in shown
    asked = [*port.calls()[before[0] :], *list(bitbucket.requests)[before[1] :]]
    allowed = ("/access_token", "/search", "/webhooks/test")
    assert [one.path for one in asked if one.method != "GET" and not one.path.endswith(allowed)] == []
    assert ReportStore(stack.runtime.ledger).last() is not None
    assert not bitbucket.hooks[0].active


def test_uninstalling_with_the_ledger_spares_what_was_there_before(
    stack: Stack, port: PortStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    for blueprint in load_blueprints("server", "default"):  # Not made by set-up, so what is in them may be anybody's.
        port.put_blueprint(blueprint)
    types("setup", capsys)
    port.put_entity("bitbucketServerProject", "APP", title="By hand")
    assert "complete" in types("resync", capsys)
    shown = types("uninstall --entities --yes", capsys)
    assert "it was there before" in " ".join(shown.split())
    assert [name for _, name in port.catalog()] == ["APP"]
