"""What every route answers to every kind of request, over real HTTP, and what is in the queues afterwards.

The functions behind the queues do not run here, so that a stored delivery stays where it can be counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bitbucket_port.webhooks.event_keys import KEYS, PING, family_of
from local.machine import Machine, Product
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.signing import BASE64, PLAIN, ROUTES, digest, headers, post, signature

BODY = json.dumps({"note": "zwölf Boxkämpfer"}, ensure_ascii=False).encode()
KNOWN: dict[Product, str] = {"cloud": "repo:updated", "server": "repo:modified"}
QUEUE_OF = {
    "project": "ProjectQueue",
    "repository": "RepositoryQueue",
    "push": "PushQueue",
    "pull-request": "PullRequestQueue",
}
both_encodings = pytest.mark.parametrize("content_type", [PLAIN, BASE64], ids=["plain", "base64"])
every_route = pytest.mark.parametrize("route", ROUTES)


def without_consumers(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    for name in [name for name, one in resources.items() if one["Type"] == "AWS::Lambda::EventSourceMapping"]:
        del resources[name]


@pytest.fixture(scope="module")
def filling(deploy: Deploy) -> Callable[[Product], Machine]:
    """A stack whose queues are never emptied, one for each product."""
    made: dict[Product, Machine] = {}

    def of(product: Product) -> Machine:
        if product not in made:
            made[product] = deploy(product, change=without_consumers)
        return made[product]

    return of


@pytest.fixture(scope="module", params=["cloud", "server"])
def machine(request: pytest.FixtureRequest, filling: Callable[[Product], Machine]) -> Machine:
    return filling(request.param)


def drained(machine: Machine, queue: str) -> list[dict[str, Any]]:
    """Everything in a queue, taken out of it."""
    url, found = machine.stack.queue_url(queue), []
    while messages := machine.stack.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            found.append(json.loads(message["Body"]))
            machine.stack.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


# --- refused ---------------------------------------------------------------------------------------------------------

FORGERIES: dict[str, Callable[[str], tuple[bytes, str | None]]] = {
    "missing": lambda secret: (BODY, None),
    "empty": lambda secret: (BODY, ""),
    "made with another secret": lambda secret: (BODY, signature(secret + "x", BODY)),
    "truncated": lambda secret: (BODY, signature(secret, BODY)[:-1]),
    "longer": lambda secret: (BODY, signature(secret, BODY) + "0"),
    "upper-case": lambda secret: (BODY, "sha256=" + digest(secret, BODY).upper()),
    "without the name of the method": lambda secret: (BODY, digest(secret, BODY)),
    "of another method": lambda secret: (BODY, "sha1=" + digest(secret, BODY)),
    "of a body with one byte less": lambda secret: (BODY, signature(secret, BODY[:-1])),
    "of a body with another byte": lambda secret: (BODY, signature(secret, BODY.replace(b"B", b"C", 1))),
    "of the empty body": lambda secret: (BODY, signature(secret, b"")),
    "wrong, and the body is no JSON": lambda secret: (b"\xff{", signature(secret, b"{}")),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_signature_that_is_not_right_is_refused_and_nothing_stored(machine: Machine, forgery: str) -> None:
    body, signed = FORGERIES[forgery](machine.stack.webhook_secret)
    before = machine.stack.depths()
    answers = {
        (route, content_type): machine.stack.post(
            route, body, headers(machine.product, KNOWN[machine.product], signed, content_type=content_type)
        ).status_code
        for route in ROUTES
        for content_type in (PLAIN, BASE64)
    }
    assert set(answers.values()) == {401}, answers
    assert machine.stack.depths() == before


@pytest.mark.parametrize(
    "body",
    [b'{"name": "\xff\xfe"}', b"{", b"certainly no JSON", b"", b"  \n", b"[1]", b'"text"', b'{"a": NaN}'],
    ids=["not UTF-8", "half JSON", "not JSON", "empty", "blank", "a list", "a text", "not a number"],
)
def test_a_signed_body_that_is_no_webhook_is_malformed_and_nothing_stored(machine: Machine, body: bytes) -> None:
    before = machine.stack.depths()
    answers = {
        (route, content_type): post(machine, route, body, KNOWN[machine.product], content_type=content_type).status_code
        for route in ROUTES
        for content_type in (PLAIN, BASE64)
    }
    assert set(answers.values()) == {400}, answers
    assert machine.stack.depths() == before


# --- taken, but nothing to keep --------------------------------------------------------------------------------------


@both_encodings
@every_route
def test_an_event_nobody_knows_is_acknowledged_and_not_stored(machine: Machine, route: str, content_type: str) -> None:
    before = machine.stack.depths()
    other: Product = "server" if machine.product == "cloud" else "cloud"
    for event_key in ("issue:created", "repo:something_new", KNOWN[other]):
        answer = post(machine, route, BODY, event_key, content_type=content_type)
        assert (answer.status_code, answer.json()) == (202, {"status": "ignored"})
    assert machine.stack.depths() == before


@both_encodings
@every_route
def test_a_connection_test_is_answered_and_has_no_effect(machine: Machine, route: str, content_type: str) -> None:
    before = machine.stack.depths()
    body = b'{"test": true}'
    good = signature(machine.stack.webhook_secret, body)
    for signed in (None, good, signature("another", body)):
        given = headers(machine.product, PING, signed, content_type=content_type)
        assert machine.stack.post(route, body, given).status_code == 200
    assert machine.stack.depths() == before


# --- stored ----------------------------------------------------------------------------------------------------------


def test_the_event_key_picks_the_queue_whatever_the_route(machine: Machine) -> None:
    for queue in QUEUE_OF.values():
        drained(machine, queue)
    expected: dict[str, Counter[tuple[str, str]]] = {queue: Counter() for queue in QUEUE_OF.values()}
    for number, event_key in enumerate(KEYS[machine.product]):
        family = family_of(machine.product, event_key)
        assert family is not None
        for route in ROUTES:
            content_type = (PLAIN, BASE64)[number % 2]
            answer = post(machine, route, BODY, event_key, content_type=content_type, delivery_id=f"{number}-{route}")
            assert answer.status_code == 202
            assert answer.json() == {"status": "stored", "delivery": f"{number}-{route}"}
            expected[QUEUE_OF[family]][event_key, f"{number}-{route}"] += 1
    for queue, wanted in expected.items():
        messages = drained(machine, queue)
        assert Counter((message["eventKey"], message["id"]) for message in messages) == wanted
        assert all(message["payload"] == json.loads(BODY) for message in messages)


@both_encodings
@pytest.mark.parametrize("size", [1_000_000, 3_000_000], ids=["1 MB", "more than a queue takes"])
@pytest.mark.parametrize("product", ["cloud", "server"])
def test_a_large_delivery_is_stored_and_really_arrives(
    request: pytest.FixtureRequest, product: Product, size: int, content_type: str
) -> None:
    machine: Machine = request.getfixturevalue(product)
    world: Any = machine.bitbucket.world
    if not world.projects:
        world.create_project("PAY", "Payments")
    repository = f"large-{size}-{content_type.rpartition('/')[2]}"
    machine.tell(world.create_repository("PAY", repository, readme="# Large\n"))
    name = repository if product == "cloud" else f"PAY/{repository}"
    copies = 3 if product == "cloud" else 1  # Cloud's payload has the description three times
    (webhook,) = world.open_pull_request(name, "work", title="A long story", description="ä" * (size // 2 // copies))
    assert size < len(webhook.body) < size + 10_000
    answer = post(machine, "/webhooks/pull-request", webhook.body, webhook.event_key, content_type=content_type)
    assert answer.status_code == 202
    machine.stack.settle()
    blueprint = "bitbucketCloudPullRequest" if product == "cloud" else "bitbucketServerPullRequest"
    titles = [one["title"] for key, one in machine.port.entities(blueprint).items() if f"/{repository}/" in key]
    assert titles == ["A long story"]


# --- not now ---------------------------------------------------------------------------------------------------------


def test_a_queue_that_is_not_there_is_503_and_the_retry_is_stored_when_it_is_back(deploy: Deploy) -> None:
    machine = deploy("cloud", change=without_consumers)
    world = machine.cloud.world
    world.create_project("PAY", "Payments")
    (webhook,) = world.create_repository("PAY", "ledger")
    url, secret = machine.stack.queue_url("RepositoryQueue"), machine.stack.webhook_secret
    machine.stack.sqs.delete_queue(QueueUrl=url)
    assert machine.cloud.deliver(machine.stack.url, secret, webhook, path="/webhooks/repository") == [503, 503, 503]
    for route in ROUTES:
        for content_type in (PLAIN, BASE64):
            answer = post(machine, route, webhook.body, webhook.event_key, content_type=content_type)
            assert answer.status_code == 503
            assert "RepositoryQueue" not in answer.text
    machine.stack.sqs.create_queue(QueueName=url.rpartition("/")[2])
    answer = machine.stack.post("/webhooks/repository", webhook.body, webhook.headers(secret, attempt=2))
    assert answer.status_code == 202
    (message,) = drained(machine, "RepositoryQueue")
    assert (message["id"], message["attempt"]) == (webhook.delivery_id, 2)
    assert message["payload"] == webhook.payload


# --- rotation --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rotated(deploy: Deploy) -> Machine:
    """One rotation was seen by a function that knew the old secret already: that of ``/webhooks/push``."""
    machine = deploy("cloud", secret="the-first-secret", change=without_consumers)
    assert post(machine, "/webhooks/push", BODY, "repo:push").status_code == 202
    machine.stack.webhook_secret = "the-second-secret"
    return machine


def answer_to(machine: Machine, route: str, secret: str) -> int:
    return machine.stack.post(route, BODY, headers("cloud", "repo:push", signature(secret, BODY))).status_code


def test_a_rotated_secret_verifies_at_once_and_the_one_before_still_does(rotated: Machine) -> None:
    # A function that has the old one in memory finds the new one by looking again ...
    assert answer_to(rotated, "/webhooks/push", "the-second-secret") == 202
    assert answer_to(rotated, "/webhooks/push", "the-first-secret") == 202
    # ... and one that has only ever seen the new one finds the old one.
    assert answer_to(rotated, "/webhooks/project", "the-second-secret") == 202
    assert answer_to(rotated, "/webhooks/project", "the-first-secret") == 202
    for route in ("/webhooks/push", "/webhooks/project"):
        assert answer_to(rotated, route, "an-unrelated-secret") == 401


def test_after_a_second_rotation_the_first_secret_is_refused(rotated: Machine) -> None:
    rotated.stack.webhook_secret = "the-third-secret"
    route = "/webhooks/pull-request"  # its function starts only now
    assert answer_to(rotated, route, "the-third-secret") == 202
    assert answer_to(rotated, route, "the-second-secret") == 202
    assert answer_to(rotated, route, "the-first-secret") == 401


def test_a_secret_that_cannot_be_read_is_503(deploy: Deploy) -> None:
    machine = deploy("cloud", secret="soon-gone", change=without_consumers)
    arn = machine.stack.secret_arn("WebhookSecret")
    machine.stack.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert answer_to(machine, "/webhooks", "soon-gone") == 503
    assert answer_to(machine, "/webhooks", "wrong") == 503
    assert not any(machine.stack.depths().values())
