"""``docs/uninstall.md`` shows what ``bitbucket-port uninstall`` says and does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bitbucket_port.cli.main import main
from local.standins.port import PortStandIn
from tests.cli import transcripts
from tests.cli.transcripts import PORT_URL, check, known_as, settings, typed

DOCUMENT = "uninstall.md"


class Desk:
    """Somebody with a terminal, and a Port that a resync filled."""

    def __init__(self, port: PortStandIn, environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self.port = port
        self.environment = environment
        self._capsys = capsys

    def types(self, command: str) -> str:
        return typed(command, self.environment, self._capsys)

    def written(self) -> list[str]:
        return [one.method for one in self.port.calls() if one.method in ("PUT", "PATCH", "DELETE")]


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    bitbucket, port = transcripts.Cloud("acme", seed=3), transcripts.port()
    bitbucket.world.create_project("PAY", "Pay")
    for name in ("payments", "ledger"):
        made = bitbucket.world.create_repository("PAY", name, readme="# Hello\n").subject
        bitbucket.world.open_pull_request(made, "topic", title="Topic")
    with ExitStack() as exits:
        for one in (bitbucket, port):
            one.start()
            exits.callback(one.stop)
        exits.enter_context(known_as({PORT_URL: port.url, **transcripts.addresses(bitbucket)}, monkeypatch))
        environment = {**settings(bitbucket, port), "BASE_URL": ""}
        assert main(["setup"], environment=environment) == 0
        assert main(["resync"], environment=environment) == 0
        yield Desk(port, environment, capsys)


def test_first_it_only_says_what_there_is(desk: Desk) -> None:
    before, writes = desk.port.catalog(), len(desk.written())
    check(DOCUMENT, "look", desk.types("uninstall"))
    assert desk.port.catalog() == before
    assert len(desk.written()) == writes


def test_it_removes_what_it_said(desk: Desk) -> None:
    desk.port.put_entity("bitbucketCloudRepository", "by-hand", title="By hand")
    check(DOCUMENT, "remove", desk.types("uninstall --entities --integration --yes"))
    assert [identifier for _, identifier in desk.port.catalog()] == ["by-hand"]
    assert desk.port.integration("bitbucket-cloud-acme") is None
    again = desk.types("uninstall")
    assert "Port shows none under our datasource" in again
    assert "is not in Port" in again


def test_only_the_integration(desk: Desk) -> None:
    before = desk.port.catalog()
    shown = desk.types("uninstall --integration --yes")
    assert "Entities" not in shown
    assert desk.port.catalog() == before
    assert desk.port.integration("bitbucket-cloud-acme") is None


def test_what_to_remove_has_to_be_said(desk: Desk) -> None:
    before = desk.port.catalog()
    assert "--yes needs to know what to remove" in desk.types("uninstall --yes")
    assert desk.port.catalog() == before


def test_bitbucket_is_not_asked_and_needs_no_token(desk: Desk) -> None:
    del desk.environment["BITBUCKET_TOKEN"]
    assert "would be deleted" in desk.types("uninstall")


def test_wrong_credentials_remove_nothing(desk: Desk) -> None:
    before = desk.port.catalog()
    desk.environment["PORT_CLIENT_SECRET"] = "wrong"
    shown = desk.types("uninstall --entities --integration --yes")
    assert shown.endswith("[exit status 2]")
    assert desk.port.catalog() == before
