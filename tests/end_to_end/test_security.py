"""No secret in a log line, a ledger item or a function's environment, and nobody asked who was not configured."""

from __future__ import annotations

import base64
import copy
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from bitbucket_port.webhooks.event_keys import PING
from local.machine import PORT_CLIENT_ID, Machine
from local.stack import ROOT
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.signing import digest, headers, signature
from tests.end_to_end.watching import ledger, lines, until

TOKEN, PORT_SECRET, WEBHOOK_SECRET = "bitbucket-tOkEn-4711", "port-sEcReT-0815", "webhook-sEcReT-1234"
USER = "catalogue-reader"


class Proxy:
    """A proxy that forwards nothing and counts who wanted to go through it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                asked.append(self.rfile.readline().decode("latin-1").strip())
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Lived:
    """A stack that has seen good, refused and failing deliveries, and everything that must not show."""

    machine: Machine
    proxy: Proxy
    secrets: dict[str, str] = field(default_factory=dict)

    def send(self, webhooks: list[Webhook], *, settle: bool = True) -> None:
        secret = self.machine.stack.webhook_secret
        for webhook in webhooks:
            self.secrets[f"the signature of {webhook.event_key} {webhook.delivery_id}"] = digest(secret, webhook.body)
        (self.machine.tell if settle else self.machine.send)(webhooks)

    def post(self, body: bytes, event_key: str, signed: str | None) -> int:
        if signed:
            self.secrets[f"signature {len(self.secrets)}, made by hand"] = signed.removeprefix("sha256=")
        given = headers(self.machine.product, event_key, signed)
        return self.machine.stack.post("/webhooks", body, given).status_code


@pytest.fixture(scope="module", params=["cloud", "server"])
def lived(request: pytest.FixtureRequest, deploy: Deploy) -> Iterator[Lived]:
    proxy = Proxy()

    def through_proxy(template: dict[str, Any]) -> None:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                variables = resource["Properties"]["Environment"]["Variables"]
                variables |= {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
                variables.setdefault("NO_PROXY", "127.0.0.1")  # AWS, for functions that the template gives no proxy.

    machine = deploy(
        request.param,
        secret=WEBHOOK_SECRET,
        change=through_proxy,
        BitbucketToken=TOKEN,
        PortClientSecret=PORT_SECRET,
        LogLevel="DEBUG",
        **({"BitbucketUsername": USER} if request.param == "server" else {}),
    )
    machine.bitbucket.token, machine.port.client_secret = TOKEN, PORT_SECRET
    machine.server.username = USER
    life = Lived(machine, proxy)
    life.secrets |= {
        "Bitbucket's token": TOKEN,
        "Bitbucket's token, as Basic": base64.b64encode(f"{USER}:{TOKEN}".encode()).decode(),
        "Port's client secret": PORT_SECRET,
        "the webhook secret": WEBHOOK_SECRET,
    }
    live(life)
    yield life
    proxy.stop()


def live(life: Lived) -> None:
    """Something good, then everything that can be refused or fail; the wrong credentials last."""
    machine = life.machine
    world: Any = machine.bitbucket.world
    cloud = machine.product == "cloud"
    name = "ledger" if cloud else "PAY/ledger"
    person = world.create_user("reviewer")
    world.create_project("PAY", "Payments")
    life.send([*world.create_repository("PAY", "ledger", readme="# Ledger\n"), *world.push(name, "main", {"a": "a"})])
    events = world.open_pull_request(name, "one", reviewers=[person])
    pull = events.subject
    life.send(events)
    life.secrets["Port's access token"] = access_token(machine)

    body = json.dumps({"repository": {"name": "nobody"}}).encode()
    key = "repo:updated" if cloud else "repo:modified"
    assert life.post(body, key, None) == 401
    assert life.post(body, key, signature("another secret", body)) == 401
    assert life.post(b"{", key, signature(WEBHOOK_SECRET, b"{")) == 400
    assert life.post(body, PING, signature(WEBHOOK_SECRET, body)) == 200
    assert life.post(body, "nobody:knows", signature(WEBHOOK_SECRET, body)) == 202
    assert life.post(body, key, signature(WEBHOOK_SECRET, body)) == 202

    machine.port.expire_token()
    life.send(world.update_pull_request(pull, title="Another title"))
    life.secrets["Port's second access token"] = access_token(machine)
    with_a_strict_blueprint(life, world.update_pull_request(pull, title="A third title"))
    machine.bitbucket.fail_next(1, 500)
    life.send(world.approve(pull, person))
    machine.port.fail_next(4, 500, "bulk")
    life.send(world.update_pull_request(pull, title="A fourth title"))

    machine.bitbucket.token = "changed in Bitbucket, not here"
    put_off(life, world.change_repository(name, description="new") if cloud else world.unapprove(pull, person))
    machine.port.client_secret = "changed in Port, not here"
    machine.port.expire_token()
    put_off(life, world.open_pull_request(name, "two"))


def with_a_strict_blueprint(life: Lived, webhooks: list[Webhook]) -> None:
    """Deliver something that Port refuses for good."""
    path = ROOT / "mappings" / life.machine.product / "default.blueprints.json"
    (original,) = [one for one in json.loads(path.read_text()) if one["identifier"].endswith("PullRequest")]
    strict = copy.deepcopy(original)
    strict["schema"]["properties"]["costCentre"] = {"type": "string", "title": "Cost centre"}
    strict["schema"]["required"] = ["costCentre"]
    life.machine.port.put_blueprint(strict)
    life.send(webhooks)
    life.machine.port.put_blueprint(original)


def put_off(life: Lived, webhooks: list[Webhook]) -> None:
    """Deliver something that can only be done later."""
    life.send(webhooks, settle=False)
    until(
        lambda: any("tried again" in line["message"] for line in lines(life.machine, webhooks[-1].delivery_id)),
        life.machine.stack.logs,
    )


def access_token(machine: Machine) -> str:
    """The token the functions have, too: Port hands the same one out until it ends."""
    body = {"clientId": PORT_CLIENT_ID, "clientSecret": PORT_SECRET}
    return str(requests.post(f"{machine.port.url}/v1/auth/access_token", json=body, timeout=10).json()["accessToken"])


def leaks(text: str, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in text]


def test_the_stack_has_really_seen_all_of_it(lived: Lived) -> None:
    log = lived.machine.stack.logs()
    for said in ("webhook stored", "webhook refused", "webhook malformed", "webhook ping", "webhook ignored"):
        assert said in log
    assert "given up" in log
    assert "must have required property" in log
    assert "Port refused the client id and secret" in log
    assert any("401" in line["message"] for line in lines(lived.machine, "CredentialsRefusedError"))
    assert len(set(lived.secrets.values())) > 12


def test_no_log_line_holds_a_secret(lived: Lived) -> None:
    assert leaks(lived.machine.stack.logs(), lived.secrets) == []


def test_no_item_of_the_ledger_holds_a_secret(lived: Lived) -> None:
    items = ledger(lived.machine)
    assert items
    assert leaks(json.dumps(items), lived.secrets) == []


def test_no_entity_in_port_holds_a_secret(lived: Lived) -> None:
    assert leaks(str(lived.machine.port.catalog()), lived.secrets) == []


def test_no_functions_environment_holds_a_secret(lived: Lived) -> None:
    for name, function in lived.machine.stack.functions.items():
        assert leaks(json.dumps(function.environment), lived.secrets) == [], name


def test_receiving_functions_are_not_even_told_where_the_credentials_are(lived: Lived) -> None:
    stack = lived.machine.stack
    arns = {name: stack.secret_arn(name) for name in ("StoredBitbucketToken", "StoredPortClientSecret")}
    receiving = {name: one for name, one in stack.functions.items() if name.endswith("Receive")}
    assert len(receiving) == 5
    giving_it_to_webhooks = {"ResyncWorker", "SetUpFunction"}
    for name, function in stack.functions.items():
        told = leaks(json.dumps(function.environment), {**arns, "WebhookSecret": stack.secret_arn("WebhookSecret")})
        assert ("WebhookSecret" in told) == (name in {*receiving, *giving_it_to_webhooks})
        assert bool(set(told) & set(arns)) == (name not in receiving)


def test_nobody_was_asked_who_was_not_configured(lived: Lived) -> None:
    assert lived.proxy.asked == []
    with pytest.raises(requests.exceptions.ProxyError):  # The proxy would have noticed.
        requests.get("https://elsewhere.example", proxies={"https": lived.proxy.url}, timeout=5)
    assert [line.split()[1] for line in lived.proxy.asked] == ["elsewhere.example:443"]
    lived.proxy.asked.clear()
