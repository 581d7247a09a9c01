"""scripts/create_blueprints.py brings a mapping's blueprints to Port and leaves alone what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.standins.port import PortStandIn
from scripts.create_blueprints import MAPPINGS, main

SECRET = "damson-and-medlar"


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    stand_in = PortStandIn("client", SECRET)
    stand_in.start()
    yield stand_in
    stand_in.stop()


def run(port: PortStandIn, *arguments: str, secret: str = SECRET) -> int:
    environment = {"PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": secret, "PORT_BASE_URL": port.url}
    return main(list(arguments), environment)


def there(port: PortStandIn) -> dict[str, Any]:
    return dict(port._catalog.blueprints)


def shipped(product: str, preset: str = "default") -> dict[str, Any]:
    found = json.loads((MAPPINGS / product / f"{preset}.blueprints.json").read_text(encoding="utf-8"))
    return {blueprint["identifier"]: blueprint for blueprint in found}


def writes(port: PortStandIn) -> list[str]:
    return [f"{call.method} {call.path}" for call in port.calls() if call.method != "GET"]


@pytest.mark.parametrize(
    ("product", "preset"), [("cloud", "default"), ("server", "default"), ("cloud", "ocean"), ("server", "ocean")]
)
def test_an_empty_port_gets_the_blueprints_as_they_are_shipped(port: PortStandIn, product: str, preset: str) -> None:
    assert run(port, product, "--preset", preset) == 0

    made = there(port)
    for identifier, blueprint in shipped(product, preset).items():
        wanted = {name: value for name, value in blueprint.items() if value != {} or name in made[identifier]}
        assert made[identifier] == wanted


def test_both_products_fit_into_one_port(port: PortStandIn) -> None:
    assert (run(port, "cloud"), run(port, "server")) == (0, 0)

    assert there(port).keys() == shipped("cloud").keys() | shipped("server").keys()


def test_a_relation_s_target_exists_before_the_relation_whatever_the_order_in_the_file(port: PortStandIn) -> None:
    run(port, "cloud")

    order = writes(port)
    last_created = max(position for position, call in enumerate(order) if call == "POST /v1/blueprints")
    assert all(position > last_created for position, call in enumerate(order) if call.startswith("PATCH"))


def test_a_second_run_writes_nothing(port: PortStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    run(port, "cloud")
    before = there(port)
    port.forget_requests()

    assert run(port, "cloud") == 0

    assert writes(port) == []
    assert there(port) == before
    assert "bitbucketCloudRepository: exists\n" in capsys.readouterr().out


def test_a_blueprint_that_exists_is_left_as_it_is_and_what_it_lacks_is_said(
    port: PortStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"identifier": "bitbucketCloudRepository", "title": "Ours", "schema": {"properties": {}, "required": []}}
    port.put_blueprint(own)

    assert run(port, "cloud") == 0

    kept = there(port)["bitbucketCloudRepository"]
    assert (kept["title"], kept["schema"]["properties"], kept["relations"]) == ("Ours", {}, {})
    said = capsys.readouterr().out
    assert "bitbucketCloudRepository: exists, without" in said
    assert "defaultBranch" in said
    assert "--complete" in said


def test_complete_adds_what_is_missing_and_keeps_what_somebody_made_of_the_rest(port: PortStandIn) -> None:
    mine = {"type": "string", "title": "My words"}
    port.put_blueprint(
        {
            "identifier": "bitbucketCloudRepository",
            "title": "Ours",
            "schema": {"properties": {"description": mine, "costCentre": mine}, "required": ["costCentre"]},
            "relations": {"service": {"target": "bitbucketCloudRepository", "required": False, "many": False}},
        }
    )

    assert run(port, "cloud", "--complete") == 0

    kept, wanted = there(port)["bitbucketCloudRepository"], shipped("cloud")["bitbucketCloudRepository"]
    assert kept["title"] == "Ours"
    assert kept["schema"]["required"] == ["costCentre"]
    assert kept["schema"]["properties"]["description"] == mine
    assert kept["schema"]["properties"].keys() == wanted["schema"]["properties"].keys() | {"costCentre"}
    assert kept["relations"].keys() == {"service", "project"}
    assert kept["ownership"] == wanted["ownership"]


def test_complete_mends_a_run_that_was_broken_off(port: PortStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    port.fail_next(1, 422, match="PATCH /v1/blueprints/bitbucketCloudPullRequest")

    assert run(port, "cloud") == 1
    assert "--complete" in capsys.readouterr().err
    assert there(port)["bitbucketCloudPullRequest"]["relations"] == {}

    assert run(port, "cloud", "--complete") == 0
    mended = there(port)["bitbucketCloudPullRequest"]
    assert mended["relations"] == shipped("cloud")["bitbucketCloudPullRequest"]["relations"]
    assert mended["ownership"] == {"type": "Inherited", "path": "repository"}


def test_wrong_credentials_are_tried_once_and_never_shown(
    port: PortStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(port, "cloud", secret="not-the-secret") == 1

    assert port.count() == 1
    said = capsys.readouterr()
    assert "Port refused the client id and secret" in said.err
    assert "not-the-secret" not in said.out + said.err


def test_missing_credentials_and_a_wrong_address_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud"], {"PORT_CLIENT_ID": "client"}) == 2
    assert "PORT_CLIENT_SECRET" in capsys.readouterr().err

    environment = {"PORT_CLIENT_ID": "a", "PORT_CLIENT_SECRET": "b", "PORT_BASE_URL": "https://app.port.io"}
    assert main(["cloud"], environment) == 2
    assert "https://api.port.io" in capsys.readouterr().err
