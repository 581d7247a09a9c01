"""Port's page shows how the resync goes, and nothing depends on it."""

from __future__ import annotations

import logging

import pytest

from bitbucket_port.port.client import PortClient
from bitbucket_port.port.resync_state import tell_began, tell_ended
from local.standins.http import Answer
from local.standins.port import PortStandIn


def test_port_shows_when_a_resync_began_and_how_it_ended(port: PortStandIn, client: PortClient) -> None:
    port.put_integration("orchard")
    assert tell_began(client, at=1_700_000_000.25, next_at=1_700_021_600, interval_minutes=360)
    assert port.resync_states["orchard"][-1] == {
        "status": "running",
        "lastResyncStart": "2023-11-14T22:13:20.250Z",
        "lastResyncEnd": None,
        "nextResync": "2023-11-15T04:13:20.000Z",
        "intervalInMinuets": 360,
    }
    assert tell_ended(client, "failed", at=1_700_000_100, next_at=None, interval_minutes=0)
    ended = port.resync_states["orchard"][-1]
    assert (ended["status"], ended["lastResyncEnd"]) == ("failed", "2023-11-14T22:15:00.000Z")
    assert ended["lastResyncStart"] == "2023-11-14T22:13:20.250Z"


def test_an_integration_that_port_does_not_know_is_a_warning(
    client: PortClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not tell_began(client, at=0, next_at=None, interval_minutes=0)
    assert "did not take the state of the resync" in caplog.text


def test_a_port_that_is_out_of_order_is_a_warning(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(port, "tell_resync_state", lambda _: Answer(503, {"ok": False}))
    with caplog.at_level(logging.WARNING):
        assert not tell_ended(client, "completed", at=0, next_at=None, interval_minutes=0)
    assert "did not take the state of the resync" in caplog.text
