"""Set-up brings a mapping's blueprints to Port, completes those it created, and leaves all others alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bitbucket_port.errors import SettingsError, TransientError
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load, load_blueprints
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.port.client import PortClient
from bitbucket_port.setup.blueprints import Blueprints, Unremembered, used_by
from bitbucket_port.setup.findings import Finding, worst
from local.standins.port import PortStandIn
from tests.setup_port.conftest import Connect

PRESETS: list[tuple[Product, str]] = [
    ("cloud", "default"), ("server", "default"), ("cloud", "ocean"), ("server", "ocean")
]  # fmt: skip
REPOSITORY = "bitbucketCloudRepository"
OTHERS: JsonObject = {"identifier": REPOSITORY, "title": "Somebody's", "schema": {"properties": {}, "required": []}}


class Notes(Unremembered):
    """A ledger's notes, which can be out of reach."""

    down = False
    written = 0

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        self.written += 1
        return super().note(name, values, only_if_absent=only_if_absent)

    def noted(self, name: str) -> Any:
        if self.down:
            raise TransientError("DynamoDB throttles")
        return super().noted(name)


@pytest.fixture
def notes() -> Notes:
    return Notes()


def cloud(client: PortClient, notes: Notes | None, wanted: list[JsonObject] | None = None, **more: Any) -> Blueprints:
    return Blueprints(client, notes, load_blueprints("cloud", "default") if wanted is None else wanted, **more)


def there(port: PortStandIn) -> dict[str, JsonObject]:
    return {blueprint["identifier"]: blueprint for blueprint in port.blueprints()}


def writes(port: PortStandIn) -> list[str]:
    return [f"{call.method} {call.path}" for call in port.calls() if call.method != "GET"]


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.about.removeprefix("Blueprint "): finding for finding in findings}


def newer(wanted: list[JsonObject]) -> list[JsonObject]:
    """What a later release may ship: one more of everything."""
    shipped: list[JsonObject] = json.loads(json.dumps(wanted))
    project, repository = shipped[0], next(one for one in shipped if one["identifier"] == REPOSITORY)
    repository["schema"]["properties"]["licence"] = {"type": "string", "title": "Licence"}
    repository["schema"]["properties"]["visibility"]["enum"].append("shared")
    repository["relations"]["forkedFrom"] = {"target": REPOSITORY, "required": False, "many": False}
    repository["mirrorProperties"]["projectKey"] = {"title": "Project key", "path": "project.key"}
    project["schema"]["properties"]["lead"] = {"type": "string", "title": "Lead"}
    return shipped


@pytest.mark.parametrize(("product", "preset"), PRESETS)
def test_an_empty_port_gets_the_blueprints_as_they_are_shipped(
    port: PortStandIn, client: PortClient, product: Product, preset: str
) -> None:
    shipped = load_blueprints(product, preset)

    findings = Blueprints(client, None, shipped).bring()

    assert [(one.about, one.outcome) for one in findings] == [
        (f"Blueprint {blueprint['identifier']}", "changed") for blueprint in shipped
    ]
    made = there(port)
    for blueprint in shipped:
        wanted = {
            name: value for name, value in blueprint.items() if value != {} or name in made[blueprint["identifier"]]
        }
        assert made[blueprint["identifier"]] == wanted


def test_a_preset_that_does_not_exist_has_no_blueprints() -> None:
    with pytest.raises(SettingsError, match="preset 'mine'"):
        load_blueprints("cloud", "mine")


def test_every_blueprint_is_created_before_the_first_relation(port: PortStandIn, client: PortClient) -> None:
    backwards = load_blueprints("cloud", "default")[::-1]

    assert worst(cloud(client, None, backwards).bring()) == "changed"

    order = writes(port)
    last_created = max(position for position, call in enumerate(order) if call == "POST /v1/blueprints")
    assert all(position > last_created for position, call in enumerate(order) if call.startswith("PATCH"))


def test_looking_first_says_what_would_come_and_writes_nothing(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    findings = cloud(client, notes).look()

    assert {one.outcome for one in findings} == {"ok"}
    assert all("set-up creates it" in one.text for one in findings)
    assert writes(port) == []


def test_doing_it_again_costs_one_request_and_writes_nothing(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    cloud(client, notes).bring()
    port.forget_requests()

    findings = cloud(client, notes).bring()

    assert {one.outcome for one in findings} == {"ok"}
    assert [f"{call.method} {call.path}" for call in port.calls()] == ["GET /v1/blueprints"]


def test_what_a_later_release_ships_is_added_to_what_this_stack_created(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    wanted = load_blueprints("cloud", "default")
    cloud(client, notes).bring()
    edited = there(port)[REPOSITORY]
    edited["title"], edited["schema"]["properties"]["costCentre"] = "Our repositories", {"type": "string"}
    port.put_blueprint(edited)

    ahead = by_name(cloud(client, notes, newer(wanted)).look())[REPOSITORY]
    done = by_name(cloud(client, notes, newer(wanted)).bring())

    added = "properties.visibility 'shared', properties.licence, relations.forkedFrom, mirrorProperties.projectKey"
    assert (ahead.outcome, ahead.text) == ("ok", f"lacks {added}: set-up adds that.")
    assert (done[REPOSITORY].outcome, done[REPOSITORY].text) == ("changed", f"added {added}.")
    assert {name for name, one in done.items() if one.outcome == "changed"} == {REPOSITORY, "bitbucketCloudProject"}
    now = there(port)[REPOSITORY]
    assert now["title"] == "Our repositories"
    assert now["schema"]["properties"]["costCentre"] == {"type": "string"}
    assert now["schema"]["properties"]["visibility"]["enum"][-1] == "shared"
    assert now["relations"].keys() == {"project", "forkedFrom"}
    assert now["mirrorProperties"] == {"projectKey": {"title": "Project key", "path": "project.key"}}


def test_what_somebody_else_created_is_left_and_shown_with_what_to_paste(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    port.put_blueprint(OTHERS)

    found = by_name(cloud(client, notes).bring())[REPOSITORY]

    left = there(port)[REPOSITORY]
    assert (left["title"], left["schema"]["properties"], left["relations"]) == ("Somebody's", {}, {})
    assert found.outcome == "warning"
    assert "was not created by this stack" in found.text
    assert "properties.defaultBranch" in found.text
    paste = json.loads(found.fix[found.fix.index("{") :])
    shipped = next(one for one in load_blueprints("cloud", "default") if one["identifier"] == REPOSITORY)
    assert paste["schema"]["properties"] == shipped["schema"]["properties"]
    assert paste["relations"] == shipped["relations"]


def test_one_that_is_there_does_not_keep_the_others_away(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    port.put_blueprint(OTHERS)

    cloud(client, notes).bring()

    assert there(port).keys() == {one["identifier"] for one in load_blueprints("cloud", "default")}
    assert there(port)["bitbucketCloudPullRequest"]["relations"]["repository"]["target"] == REPOSITORY


def test_what_somebody_pasted_is_all_a_blueprint_of_his_needs(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    port.put_blueprint(OTHERS)
    found = by_name(cloud(client, notes).bring())[REPOSITORY]
    paste = json.loads(found.fix[found.fix.index("{") :])
    port.put_blueprint({**OTHERS, **paste, "schema": {"required": [], **paste["schema"]}})

    assert by_name(cloud(client, notes).bring())[REPOSITORY].outcome == "ok"


def test_two_stacks_side_by_side_both_find_all_they_need(port: PortStandIn, connect: Connect) -> None:
    first, second = Notes(), Notes()
    cloud(connect("one"), first).bring()

    assert {one.outcome for one in cloud(connect("two"), second).bring()} == {"ok"}
    # The second one has a newer release: what the first created is not its own to change.
    later = by_name(cloud(connect("two"), second, newer(load_blueprints("cloud", "default"))).bring())
    assert later[REPOSITORY].outcome == "warning"
    assert "licence" not in there(port)[REPOSITORY]["schema"]["properties"]


def test_one_deleted_and_made_anew_by_somebody_is_his(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    port.put_blueprint({**OTHERS, "createdAt": "2026-02-01T00:00:00.000Z"})
    notes.note(f"blueprint#{REPOSITORY}", {"state": "created", "createdAt": "2026-01-01T00:00:00.000Z"})

    assert by_name(cloud(client, notes).bring())[REPOSITORY].outcome == "warning"
    assert there(port)[REPOSITORY]["schema"]["properties"] == {}


def test_one_deleted_by_hand_comes_back(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    cloud(client, notes).bring()
    kept = there(port)
    with port.lock:
        del port._catalog.blueprints["bitbucketCloudPullRequest"]

    found = by_name(cloud(client, notes).bring())["bitbucketCloudPullRequest"]

    assert found.outcome == "changed"
    assert there(port)["bitbucketCloudPullRequest"] == kept["bitbucketCloudPullRequest"]


def test_one_refusal_stops_nobody_else_and_says_what_to_do(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    port.fail_next(1, 422, match="POST /v1/blueprints")

    found = cloud(client, notes).bring()

    assert [one.outcome for one in found].count("failed") == 1
    refused = found[0]
    assert (refused.about, refused.outcome) == ("Blueprint bitbucketCloudProject", "failed")
    assert "422" in refused.text
    assert json.loads(refused.fix[refused.fix.index("{") :]) == load_blueprints("cloud", "default")[0]
    # What relates to it is there without that relation, and gets it when the other one is there.
    half = by_name(found)[REPOSITORY]
    assert (half.outcome, "relations.project" in half.text) == ("warning", True)

    assert worst(cloud(client, notes).bring()) == "changed"
    assert there(port)[REPOSITORY]["relations"].keys() == {"project"}
    assert {one.outcome for one in cloud(client, notes).bring()} == {"ok"}


def test_of_several_relations_only_the_refused_one_is_missing(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    wanted = [one for one in load_blueprints("cloud", "default") if one["identifier"] != "bitbucketCloudUser"]

    found = by_name(cloud(client, notes, wanted).bring())["bitbucketCloudPullRequest"]

    assert there(port)["bitbucketCloudPullRequest"]["relations"].keys() == {"repository"}
    assert there(port)["bitbucketCloudPullRequest"]["ownership"] == {"type": "Inherited", "path": "repository"}
    assert found.outcome == "warning"
    assert "without relations.author, relations.reviewers" in found.text
    assert '"reviewers"' in found.fix


def test_credentials_that_may_not_are_told_so(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    port.fail_next(4, 403, match="POST /v1/blueprints")

    found = cloud(client, notes).bring()

    assert {one.outcome for one in found} == {"failed"}
    assert all("may change the data model" in one.fix for one in found)


@pytest.mark.parametrize("dies_after", range(8))
def test_broken_off_anywhere_and_repeated_it_ends_the_same(
    port: PortStandIn, connect: Connect, notes: Notes, dies_after: int
) -> None:
    """The answer to the last request before the end is lost: the first set-up knows nothing of it."""

    class Died(BaseException):
        pass

    client = connect()
    whole, sent = client.call, [0]

    def call(method: str, path: str, **more: Any) -> Any:
        answer = whole(method, path, **more)
        if method != "GET":
            sent[0] += 1
            if sent[0] > dies_after:
                raise Died
        return answer

    client.call = call  # type: ignore[method-assign]
    with pytest.raises(Died):
        cloud(client, notes).bring()
    cloud(connect(), notes).bring()

    made = there(port)
    for blueprint in load_blueprints("cloud", "default"):
        wanted = {
            name: value for name, value in blueprint.items() if value != {} or name in made[blueprint["identifier"]]
        }
        assert made[blueprint["identifier"]] == wanted
    assert {one.outcome for one in cloud(connect(), notes).bring()} == {"ok"}


def test_looking_after_an_answer_was_lost_knows_what_is_ours_and_records_nothing(
    port: PortStandIn, client: PortClient, connect: Connect, notes: Notes
) -> None:
    shipped = load_blueprints("cloud", "default")
    port.fail_next(1, 503, match="POST /v1/blueprints", after=True)
    assert cloud(client, notes, shipped[:1]).bring()[0].outcome == "warning"
    before = notes.written

    (found,) = cloud(connect(), notes, newer(shipped)[:1]).look()

    assert (found.outcome, found.text) == ("ok", "lacks properties.lead: set-up adds that.")
    assert notes.written == before


def test_port_being_down_is_a_warning_and_no_absence(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    port.fail_next(99, 503)

    (found,) = cloud(client, notes).bring()

    assert (found.about, found.outcome) == ("Blueprints", "warning")
    assert "503" in found.text
    assert writes(port) == []


def test_port_failing_on_the_way_is_a_warning_and_the_next_time_goes_on(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    port.fail_next(3, 503, match="PATCH /v1/blueprints/bitbucketCloudPullRequest")

    broken = by_name(cloud(client, notes).bring())["bitbucketCloudPullRequest"]

    assert broken.outcome == "warning"
    assert broken.text.startswith("created; ")
    assert broken.fix == "The next set-up goes on with it."
    assert {one.outcome for one in cloud(client, notes).bring()} == {"ok", "changed"}
    assert there(port)["bitbucketCloudPullRequest"]["relations"].keys() == {"repository", "author", "reviewers"}


def test_without_the_ledger_nothing_is_taken_for_ours(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    cloud(client, notes).bring()
    notes.down = True
    port.forget_requests()

    found = cloud(client, notes, newer(load_blueprints("cloud", "default"))).bring()

    assert {one.outcome for one in found} == {"warning"}
    assert all("DynamoDB throttles" in one.text for one in found)
    assert writes(port) == []


def test_switched_off_it_only_looks_and_says_what_to_create(
    port: PortStandIn, client: PortClient, notes: Notes
) -> None:
    found = cloud(client, notes, creates=False).bring()

    assert writes(port) == []
    assert {one.outcome for one in found} == {"warning"}
    assert json.loads(found[0].fix[found[0].fix.index("{") :]) == load_blueprints("cloud", "default")[0]


def test_a_property_of_another_type_is_named_and_left(port: PortStandIn, client: PortClient, notes: Notes) -> None:
    cloud(client, notes).bring()
    edited = there(port)[REPOSITORY]
    edited["schema"]["properties"]["fork"] = {"type": "string"}
    port.put_blueprint(edited)

    found = by_name(cloud(client, notes).bring())[REPOSITORY]

    assert (found.outcome, found.text) == (
        "warning",
        "properties.fork is of type string, not boolean: values that do not fit stay empty.",
    )
    assert there(port)[REPOSITORY] == edited


def test_only_what_the_mapping_writes_to_and_relates_to_is_created(port: PortStandIn, client: PortClient) -> None:
    document = load("cloud", "default")
    kept = [one for one in document["resources"] if one["kind"] == "repository"]
    other = json.loads(json.dumps(kept[0]))
    other["port"]["entity"]["mappings"]["blueprint"] = '"service"'
    mapping = parse({**document, "resources": [*kept, other]}, product="cloud", file="mapping")

    found = by_name(cloud(client, None, used=lambda: used_by(mapping)).bring())

    assert there(port).keys() == {REPOSITORY, "bitbucketCloudProject"}
    assert (found["bitbucketCloudUser"].outcome, found["service"].outcome) == ("skipped", "warning")
    assert "is not in Port" in found["service"].text


def test_a_mapping_that_computes_its_blueprint_may_write_to_any(client: PortClient) -> None:
    document = load("cloud", "default")
    document["resources"][0]["port"]["entity"]["mappings"]["blueprint"] = ".type"
    mapping = parse(document, product="cloud", file="mapping")

    assert used_by(mapping) is None
    assert {one.outcome for one in cloud(client, None, used=lambda: used_by(mapping)).bring()} == {"changed"}


def test_wrong_credentials_are_said_and_never_shown(port: PortStandIn, connect: Connect) -> None:
    (found,) = cloud(connect(secret="not-the-secret"), None).bring()

    assert "Port refused the client id and secret" in found.text
    assert "not-the-secret" not in str(found)
    assert port.count() == 1
