"""What goes wrong around a stack costs no event, deletes nothing by mistake, and stops nothing else."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.runtime import Runtime
from bitbucket_port.webhooks.delivery import Delivery
from local.account import REGION
from local.aws import CREDENTIALS
from local.machine import Machine, Product
from local.stack import ROOT
from local.standins.http import Request
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request
from tests.end_to_end.signing import post
from tests.end_to_end.watching import ledger, lines, no_dead_letters, objects, until

REPOSITORY, PULL_REQUEST = "bitbucketCloudRepository", "bitbucketCloudPullRequest"
_numbers = itertools.count(1)


def new_repository(machine: Machine) -> Any:
    """A repository with a name of its own that the catalog knows."""
    world: Any = machine.bitbucket.world
    if not world.projects:
        world.create_project("PAY", "Payments")
    name = f"service-{next(_numbers)}"
    webhooks = list(world.create_repository("PAY", name, readme="# Service\n"))
    full_name = name if machine.product == "cloud" else f"PAY/{name}"
    machine.tell([*webhooks, *world.push(full_name, "main", {"a.txt": name})])
    return world.repository(full_name)


def opened(machine: Machine, repository: Any, **more: Any) -> tuple[Any, list[Any]]:
    """A new pull request, and its webhook that nobody has had yet."""
    world: Any = machine.bitbucket.world
    events = world.open_pull_request(repository_name(machine, repository), f"branch-{next(_numbers)}", **more)
    return events.subject, list(events)


def repository_name(machine: Machine, repository: Any) -> str:
    return str(repository.slug if machine.product == "cloud" else repository.full_name)


def asks_for(repository: Any) -> Callable[[Request], bool]:
    """Requests for a Cloud repository by itself."""

    def match(request: Request) -> bool:
        return request.method == "GET" and unquote(request.path).endswith(f"/{repository.uuid}")

    return match


def in_port(machine: Machine, pull: Any) -> None:
    assert_in_port(machine, entity_of(machine, "pull-request", pull_request(machine, pull)))


# --- Port fails ------------------------------------------------------------------------------------------------------


def test_port_failing_for_a_while_delays_a_write_and_changes_nothing_else(cloud: Machine) -> None:
    pull, webhooks = opened(cloud, new_repository(cloud))
    cloud.port.fail_next(4, 500, "bulk")
    cloud.tell(webhooks)
    assert any("tried again in 5 s" in line["message"] for line in lines(cloud, webhooks[0].delivery_id))
    in_port(cloud, pull)
    assert no_dead_letters(cloud)


def test_port_being_down_delays_a_write_and_changes_nothing_else(server: Machine) -> None:
    pull, webhooks = opened(server, new_repository(server))
    server.port.down = True
    server.send(webhooks)
    until(lambda: put_off(server, webhooks))
    server.port.down = False
    server.stack.settle()
    in_port(server, pull)
    assert no_dead_letters(server)


def test_an_entity_port_refuses_for_good_is_recorded_and_its_next_event_goes_on(cloud: Machine) -> None:
    world = cloud.cloud.world
    repository = new_repository(cloud)
    pull, webhooks = opened(cloud, repository, title="Refused")
    path = Path(ROOT, "mappings", "cloud", "default.blueprints.json")
    original = next(one for one in json.loads(path.read_text()) if one["identifier"] == PULL_REQUEST)
    strict = copy.deepcopy(original)
    strict["schema"]["properties"]["costCentre"] = {"type": "string", "title": "Cost centre"}
    strict["schema"]["required"] = ["costCentre"]
    cloud.port.put_blueprint(strict)
    try:
        cloud.tell([*webhooks, *world.change_repository(repository.slug, description="goes on")])
    finally:
        cloud.port.put_blueprint(original)
    key = f"{repository.full_name}/{pull.id}"
    assert key not in cloud.port.entities(PULL_REQUEST)
    assert cloud.port.entities(REPOSITORY)[repository.full_name]["properties"]["description"] == "goes on"
    reason = f"Port refused {PULL_REQUEST}#{key}: 422"
    (line,) = [line for line in lines(cloud, webhooks[0].delivery_id) if line["level"] == "WARNING"]
    assert reason in line["problems"][0]
    assert "must have required property costCentre" in line["problems"][0]
    (item,) = [item for item in objects(cloud, "pull-request") if "problem" in item]
    assert item["problem"]["S"].startswith(reason)
    cloud.tell(world.update_pull_request(pull, title="Taken"))
    in_port(cloud, pull)
    assert not [item for item in objects(cloud, "pull-request") if "problem" in item]
    assert no_dead_letters(cloud)


# --- poison ----------------------------------------------------------------------------------------------------------


def test_a_message_that_means_nothing_is_given_up_at_once_and_delays_nobody(cloud: Machine) -> None:
    repository = new_repository(cloud)
    pull, webhooks = opened(cloud, repository)
    for queue in ("PullRequestQueue", "ResyncJobsQueue"):
        for garbage in ("\u00a7 certainly no JSON", "[]", '{"v": 1}'):
            cloud.stack.sqs.send_message(QueueUrl=cloud.stack.queue_url(queue), MessageBody=garbage)
    nameless = json.dumps({"pullrequest": {"title": "without an id"}, "repository": {"name": "nothing"}}).encode()
    given = {"delivery_id": "nameless"}
    assert post(cloud, "/webhooks/pull-request", nameless, "pullrequest:updated", **given).status_code == 202
    cloud.tell(webhooks)
    in_port(cloud, pull)
    given_up = [line for line in lines(cloud, "given up") if line["level"] == "ERROR"]
    assert len(given_up) == 7
    assert {line["receives"] for line in given_up} == {1}
    (line,) = [line for line in given_up if line.get("delivery_id") == "nameless"]
    assert line["event_key"] == "pullrequest:updated"
    assert no_dead_letters(cloud)


# --- the mapping is wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_one_bad_entry_of_a_mapping_does_not_stop_the_others(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    machine: Machine = request.getfixturevalue(product)
    pull, (webhook,) = opened(machine, new_repository(machine))
    runtime = runtime_of(machine, monkeypatch)
    document = load(machine.product, "default")
    (good,) = [one for one in document["resources"] if one["kind"] == "pull-request"]
    selector_fails, identifier_fails, kind_unknown = (copy.deepcopy(good) for _ in range(3))
    selector_fails["selector"]["query"] = ".title | tonumber > 3"
    identifier_fails["port"]["entity"]["mappings"]["identifier"] = '.title | error("no")'
    kind_unknown["kind"] = "file"
    document["resources"] = [selector_fails, identifier_fails, kind_unknown, *document["resources"]]
    runtime.engine = MappingEngine(parse(document, product=machine.product, file="bad.yaml"), now=time.time)
    (outcome,) = runtime.live.handle(
        Delivery(machine.product, webhook.delivery_id, webhook.event_key, machine.stack.clock.now(), webhook.payload)
    )
    assert outcome.result == "applied"
    assert any("resources[0]" in problem for problem in outcome.problems)
    assert any("resources[1]" in problem for problem in outcome.problems)
    in_port(machine, pull)


def runtime_of(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """What runs in the function, in this process and with all permissions."""
    environment = machine.stack.functions["PullRequestProcess"].environment
    for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
    runtime = Runtime(environment)
    runtime.begin(25_000)
    return runtime


# --- Bitbucket fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_read_bitbucket_puts_off_waits_as_long_as_it_says(cloud: Machine, status: int) -> None:
    repository = new_repository(cloud)
    webhooks = cloud.cloud.world.change_repository(repository.slug, description="later")
    asked = asks_for(repository)
    cloud.cloud.forget_requests()
    cloud.cloud.fail_next(1, status, asked, headers={"Retry-After": "7"})
    cloud.tell(webhooks)
    assert cloud.port.entities(REPOSITORY)[repository.full_name]["properties"]["description"] == "later"
    (line,) = [line for line in lines(cloud, webhooks[0].delivery_id) if "tried again" in line["message"]]
    assert line["message"].startswith("tried again in 7 s")
    assert cloud.cloud.count(lambda one: unquote(one.path).endswith(f"/{repository.uuid}")) == 2
    assert no_dead_letters(cloud)


def test_what_the_credentials_may_not_see_is_kept_and_stops_nobody(cloud: Machine) -> None:
    world = cloud.cloud.world
    hidden, seen = new_repository(cloud), new_repository(cloud)
    events = world.change_repository(hidden.slug, description="invisible")
    world.set_role(hidden.slug, None)
    cloud.tell([*events, *world.change_repository(seen.slug, description="visible")])
    held = cloud.port.entities(REPOSITORY)
    assert held[hidden.full_name]["properties"]["description"] != "invisible"
    assert held[seen.full_name]["properties"]["description"] == "visible"
    (line,) = [line for line in lines(cloud, events[0].delivery_id) if line["level"] == "WARNING"]
    assert "403" in line["problems"][0]
    world.set_role(hidden.slug, "admin")
    cloud.tell(world.change_repository(hidden.slug, description="again"))
    assert cloud.port.entities(REPOSITORY)[hidden.full_name]["properties"]["description"] == "again"


@pytest.mark.parametrize("status", [401, 403])
def test_a_data_center_that_hides_one_repository_still_tells_of_the_others(server: Machine, status: int) -> None:
    world = server.server.world
    server.server.forbidden_status = status
    person = world.create_user(f"reviewer{next(_numbers)}")
    hidden, seen = new_repository(server), new_repository(server)
    (kept, first), (pull, second) = (opened(server, one, reviewers=[person]) for one in (hidden, seen))
    server.tell([*first, *second])
    before = server.port.catalog()
    world.set_permission(hidden.full_name, None)
    # A review leaves the version as it was, so both are asked for.
    events = world.approve(kept, person)
    server.tell([*events, *world.approve(pull, person)])
    assert server.server.count(lambda one: one.status == status) > 0
    in_port(server, pull)
    key = ("bitbucketServerPullRequest", f"{hidden.full_name}/{kept.id}")
    assert server.port.catalog()[key] == before[key]
    assert any(line["level"] == "WARNING" for line in lines(server, events[0].delivery_id))
    world.set_permission(hidden.full_name, "REPO_ADMIN")
    server.tell(events)
    in_port(server, kept)


def test_a_repository_first_heard_of_by_a_pull_request_is_read_even_if_the_first_read_fails(cloud: Machine) -> None:
    cloud.cloud.world.create_repository("PAY", "untold", readme="# Untold\n", description="nobody told of it")
    repository = cloud.cloud.world.repository("untold")
    pull, webhooks = opened(cloud, repository)
    cloud.cloud.fail_next(3, 500, asks_for(repository))
    cloud.tell(webhooks)
    in_port(cloud, pull)
    assert cloud.port.entities(REPOSITORY)["acme/untold"]["properties"]["description"] == "nobody told of it"


def test_not_found_once_deletes_nothing(cloud: Machine) -> None:
    world, repository = cloud.cloud.world, new_repository(cloud)
    cloud.cloud.fail_next(1, 404, asks_for(repository))
    cloud.send(world.change_repository(repository.slug, description="one"))
    until(lambda: missing(cloud, repository))
    assert repository.full_name in cloud.port.entities(REPOSITORY)
    cloud.stack.settle()
    assert not missing(cloud, repository)
    assert cloud.port.entities(REPOSITORY)[repository.full_name]["properties"]["description"] == "one"


def test_not_found_twice_a_minute_apart_deletes_while_the_workspace_answers(cloud: Machine) -> None:
    world, repository = cloud.cloud.world, new_repository(cloud)
    pull, webhooks = opened(cloud, repository)
    key = f"{repository.full_name}/{pull.id}"
    cloud.tell(webhooks)
    events = world.change_repository(repository.slug, description="unheard of")
    world.delete_repository(repository.slug)  # and nobody is told
    cloud.send(events)
    until(lambda: missing(cloud, repository))
    assert repository.full_name in cloud.port.entities(REPOSITORY)
    cloud.cloud.fail_next(3, 500, lambda request: request.path.endswith("/workspaces/acme"))
    cloud.stack.pass_time(61)
    assert any("500" in line["message"] for line in lines(cloud, events[0].delivery_id))
    assert repository.full_name in cloud.port.entities(REPOSITORY)
    assert key in cloud.port.entities(PULL_REQUEST)
    cloud.stack.settle()
    assert repository.full_name not in cloud.port.entities(REPOSITORY)
    assert key not in cloud.port.entities(PULL_REQUEST)
    assert no_dead_letters(cloud)


def missing(machine: Machine, repository: Any) -> list[dict[str, Any]]:
    """The ledger's item of a repository that was not found once."""
    found = [item for item in objects(machine, "repository") if item["SK"]["S"] == repository.uuid]
    return [item for item in found if "missing_since" in item]


def test_an_error_while_a_deletion_is_checked_deletes_nothing(cloud: Machine) -> None:
    world = cloud.cloud.world
    fails, refuses = new_repository(cloud), new_repository(cloud)
    events = [*world.delete_repository(fails.slug), *world.delete_repository(refuses.slug)]
    cloud.cloud.fail_next(3, 500, asks_for(fails))
    cloud.cloud.fail_next(1, 403, asks_for(refuses))
    cloud.send(events)
    until(lambda: put_off(cloud, events[:1]))
    assert fails.full_name in cloud.port.entities(REPOSITORY)
    cloud.stack.settle()
    assert fails.full_name not in cloud.port.entities(REPOSITORY)
    assert refuses.full_name in cloud.port.entities(REPOSITORY)
    cloud.tell(events[1:])
    assert refuses.full_name not in cloud.port.entities(REPOSITORY)


# --- wrong credentials -----------------------------------------------------------------------------------------------


# Data Center answers 401 for two reasons; a second request tells which it is.
@pytest.mark.parametrize(("product", "tries"), [("cloud", 1), ("server", 2)])
def test_wrong_credentials_are_not_tried_again_until_there_is_a_new_secret(
    deploy: Deploy, product: Product, tries: int
) -> None:
    machine = deploy(product, BitbucketToken="a-token-nobody-knows")
    machine.bitbucket.world.create_project("PAY", "Payments")
    first = everything_about(machine, "service-0")
    machine.send(first[-1:])
    until(lambda: put_off(machine, first[-1:]))
    rest = [webhook for number in range(1, 6) for webhook in everything_about(machine, f"service-{number}")]
    machine.send([*first[:-1], *rest])
    machine.stack.pass_time(3600)
    assert put_off(machine, [*first, *rest])
    assert {one.status for one in machine.bitbucket.requests} == {401}
    # The functions read the secret anew every five minutes, and the same token is not tried twice.
    assert len(machine.bitbucket.requests) == tries
    assert [item for item in ledger(machine) if item["PK"]["S"].startswith("entity#")] == []

    machine.stack.secrets.put_secret_value(
        SecretId=machine.stack.secret_arn("StoredBitbucketToken"), SecretString=machine.bitbucket.token
    )
    machine.stack.settle(within=900)
    kind = "Cloud" if product == "cloud" else "Server"
    wanted = {f"bitbucket{kind}Repository": 6, f"bitbucket{kind}PullRequest": 6}
    assert {blueprint: len(written(machine, blueprint)) for blueprint in wanted} == wanted
    repositories: list[Any] = machine.bitbucket.world.repositories
    for pull in (one for repository in repositories for one in repository.pull_requests.values()):
        in_port(machine, pull)


def everything_about(machine: Machine, name: str) -> list[Webhook]:
    """The webhooks of a new repository; the last one is of a pull request."""
    world: Any = machine.bitbucket.world
    created = world.create_repository("PAY", name, readme="# Service\n")
    full_name = name if machine.product == "cloud" else f"PAY/{name}"
    return [*created, *world.push(full_name, "main", {"a.txt": "a"}), *world.open_pull_request(full_name, "work")]


def written(machine: Machine, blueprint: str) -> list[str]:
    """Entities that are more than the empty target of a relation."""
    return [key for key, entity in machine.port.entities(blueprint).items() if entity["title"]]


def put_off(machine: Machine, webhooks: list[Any]) -> bool:
    """Whether each of these was tried and given back to its queue."""
    seen = {line.get("delivery_id") for line in lines(machine, "tried again")}
    return seen >= {webhook.delivery_id for webhook in webhooks}
