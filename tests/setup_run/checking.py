"""Checks over stand-ins, and the ledger's notes in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.http import Deadline
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import Product
from bitbucket_port.port.client import PortClient
from bitbucket_port.reading import BitbucketReader, RefusedCredentials
from bitbucket_port.settings import Settings
from bitbucket_port.setup.checks import Checks
from bitbucket_port.setup.findings import Finding
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn


class Notes:
    """The ledger's notes."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, str]] = {}

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        if not (only_if_absent and name in self.kept):
            self.kept[name] = dict(values)
        return self.kept[name]

    def noted(self, name: str) -> Mapping[str, str]:
        return self.kept.get(name, {})


def settings_of(product: Product = "cloud", **changes: Any) -> Settings:
    """Settings of a stack that makes webhooks."""
    environment = {
        "BITBUCKET_PRODUCT": product,
        "BITBUCKET_WORKSPACE": "acme",
        "BITBUCKET_URL": "https://bitbucket.example.com",
        "BITBUCKET_TOKEN_SECRET_ARN": "arn:token",
        "PORT_CLIENT_ID": "client",
        "PORT_CLIENT_SECRET_SECRET_ARN": "arn:secret",
        "LEDGER_TABLE": "ledger",
        "RESYNC_JOBS_QUEUE_URL": "https://sqs.example.com/jobs",
        "BASE_URL": "https://hooks.example.com",
    }
    return replace(Settings.from_environment(environment), **changes)


def engine_of(product: Product) -> MappingEngine:
    """The default mapping."""
    return MappingEngine(parse(load(product, "default"), product=product, file="default"), now=lambda: 0.0)


def checks_of(
    bitbucket: BitbucketCloudStandIn | BitbucketServerStandIn,
    port: PortStandIn,
    *,
    token: str | None = None,
    client_secret: str = "secret",
    version: str = "",
    **changes: Any,
) -> Checks:
    """Checks that ask these two, with these credentials; ``changes`` are of the settings."""
    product: Product = "cloud" if isinstance(bitbucket, BitbucketCloudStandIn) else "server"
    url = bitbucket.api_url if isinstance(bitbucket, BitbucketCloudStandIn) else bitbucket.url
    settings = settings_of(product, **{"bitbucket_url": url, "port_base_url": port.url, **changes})
    deadline = Deadline.after(20)
    adapter = connect(
        product,
        settings.bitbucket_url,
        lambda: bitbucket.token if token is None else token,
        deadline=deadline,
        workspace=settings.workspace,
        sleep=lambda _: None,
    )
    reader = BitbucketReader(
        adapter,
        source=adapter.source,
        wants=lambda kind: Wants(),
        refused=RefusedCredentials(Notes()),
        version=lambda: "1",
    )
    client = PortClient(
        settings.port_base_url,
        client_id="client",
        client_secret=lambda: client_secret,
        integration_type=settings.integration_type,
        integration_identifier=settings.integration_identifier,
        version="1.0.0",
        deadline=deadline,
        sleep=lambda _: None,
    )
    return Checks(
        settings=settings,
        port_client=client,
        bitbucket_reader=None if settings.webhook_only else reader,
        engine=lambda: engine_of(product),
        tokens=lambda: 1,
        test_webhook=lambda url: Finding("Reachability", "ok", f"the server called {url}"),
        known_version=lambda: version,
    )
