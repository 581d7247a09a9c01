"""The example events: one for every key, truly signed, accepted by receive and understood."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.lambda_receive import Receiver
from bitbucket_port.objects import Product
from bitbucket_port.webhooks import cloud, server
from bitbucket_port.webhooks.event_keys import CLOUD_KEYS, IGNORED_KEYS, PING, SERVER_KEYS, family_of
from bitbucket_port.webhooks.secrets import RotatingSecrets
from scripts.sign_events import DEMO_SECRET, EVENTS, main
from tests.webhooks.doubles import MemoryQueues

FILES = sorted(EVENTS.glob("*/*.json"))
WORKSPACE = json.loads(json.loads((EVENTS / "cloud" / "repo-created.json").read_text())["body"])["repository"][
    "workspace"
]
BASE_URL = "https://bitbucket.acme.example"


class DemoSecret:
    """Secrets Manager with the documented secret."""

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        return {"SecretString": DEMO_SECRET}


def file_names(keys: tuple[str, ...]) -> set[str]:
    return {key.replace(":", "-") + ".json" for key in keys}


def test_every_event_has_a_file_and_every_file_an_event() -> None:
    assert {path.name for path in FILES if path.parent.name == "cloud"} == file_names(CLOUD_KEYS)
    assert {path.name for path in FILES if path.parent.name == "server"} == file_names(
        (*SERVER_KEYS, *IGNORED_KEYS, PING)
    )


def test_no_signature_is_stale() -> None:
    assert main(["--check"]) == 0


def test_a_stale_signature_is_found_and_put_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cloud").mkdir()
    copy = tmp_path / "cloud" / "repo-push.json"
    shutil.copy(EVENTS / "cloud" / "repo-push.json", copy)
    event = json.loads(copy.read_text())
    copy.write_text(json.dumps({**event, "body": event["body"].replace("payments-api", "billing-api")}))
    arguments = ["--events", str(tmp_path)]
    assert main([*arguments, "--check"]) == 1
    assert "stale: cloud/repo-push.json" in capsys.readouterr().out
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_event_is_stored_in_its_familys_queue_and_means_something(path: Path) -> None:
    product: Product = "cloud" if path.parent.name == "cloud" else "server"
    event = json.loads(path.read_text(encoding="utf-8"))
    event_key = event["headers"]["x-event-key"]
    family = family_of(product, event_key)
    queues = MemoryQueues()
    answer = Receiver(product, RotatingSecrets(DemoSecret(), "arn"), queues).handle(event)
    assert answer["statusCode"] == (200 if event_key == PING else 202)
    assert [sent for sent, _ in queues.sent] == ([family] if family else [])
    if family is None:
        return
    assert event["rawPath"] == f"/webhooks/{family}"
    (stored,) = queues.deliveries
    if product == "cloud":
        (change,) = cloud.changes(stored, source=WORKSPACE["uuid"])
    else:
        (change,) = server.changes(stored, source=BASE_URL, base_url=BASE_URL)
    assert change.kind == ("repository" if family == "push" else family)
    assert (change.action == "delete") == (event_key in ("repo:deleted", "pr:deleted"))
    assert change.foreign == (event_key == "repo:transfer")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_event_has_the_form_of_api_gateway(path: Path) -> None:
    event = json.loads(path.read_text(encoding="utf-8"))
    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == f"POST {event['rawPath']}"
    assert event["requestContext"]["http"]["path"] == event["rawPath"]
    assert all(name == name.lower() for name in event["headers"])
    assert isinstance(json.loads(event["body"]), dict)


def test_the_documentation_names_the_secret() -> None:
    assert f"`{DEMO_SECRET}`" in (EVENTS / "README.md").read_text(encoding="utf-8")
