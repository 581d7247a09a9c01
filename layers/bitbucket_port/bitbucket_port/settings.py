"""Typed settings of a function, read once from its environment and checked together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

from bitbucket_port.errors import SettingsError
from bitbucket_port.objects import Product

CLOUD_API = "https://api.bitbucket.org/2.0"
PORT_API = "https://api.getport.io"
SCHEDULED_RESYNC_INTERVAL = 360.0
PORT_POLL_INTERVAL = 1.0
LIST_INTERVAL: Mapping[Product, float] = {"cloud": 60.0, "server": 15.0}
"""Data Center sends no event for a created or deleted repository or project."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What every function that talks to Bitbucket, Port and the ledger needs to know; no secret is among it.

    Intervals are minutes between two runs, or two looks at Port; 0 is never. ``base_url`` is what Bitbucket can reach,
    without a path: empty where nobody can. ``webhook_secret`` is the ARN of the secret that webhooks are signed with.
    ``stack_id`` tells this stack's webhooks from those of others. ``repository_webhooks``: one webhook per repository,
    as Data Center 8.7 and older need it; None asks the server for its version. ``mapping_source``: where the mapping
    that counts is looked up.
    """

    product: Product
    workspace: str
    bitbucket_url: str
    bitbucket_username: str
    bitbucket_api: Literal["full", "none"]
    port_client_id: str
    port_base_url: str
    integration_identifier: str
    mapping_preset: str
    ledger_table: str
    bitbucket_token_secret: str
    port_client_secret_secret: str
    credentials_secret: str
    resync_jobs_queue_url: str
    ca_bundle_secret: str = ""
    scheduled_resync_interval: float = 0.0
    list_interval: float = 0.0
    port_poll_interval: float = 0.0
    live_events: bool = True
    base_url: str = ""
    webhook_secret: str = ""
    stack_id: str = ""
    repository_webhooks: bool | None = None
    initialize_port_resources: bool = True
    send_raw_data_examples: bool = True
    mapping_source: Literal["port", "package"] = "port"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from environment variables (names in the template).

        Raises SettingsError with one line per variable that is missing or wrong.
        """
        return _Reader(environment).settings()

    @property
    def integration_type(self) -> str:
        """Port's name for what this stack is an integration of."""
        return f"bitbucket-{self.product}"

    @property
    def webhook_only(self) -> bool:
        """Whether no function may ever call Bitbucket."""
        return self.bitbucket_api == "none"


class _Reader:
    """Collects every problem before it complains about any."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.environment.get(name, "").strip() or default

    def required(self, name: str, why: str) -> str:
        value = self.text(name)
        if not value:
            self.problems.append(f"{name} is not set: {why}")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(name, default).lower()
        if value not in choices:
            self.problems.append(f"{name} is {value!r}: use one of {', '.join(choices)}")
        return value

    def minutes(self, name: str, default: float) -> float:
        text = self.text(name, "auto").lower()
        try:
            value = default if text == "auto" else float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            self.problems.append(f"{name} is {text!r}: give a number of minutes, 0 for never")
        return value

    def settings(self) -> Settings:
        product = cast("Product", self.choice("BITBUCKET_PRODUCT", ("cloud", "server"), "cloud"))
        api = cast("Literal['full', 'none']", self.choice("BITBUCKET_API", ("full", "none"), "full"))
        workspace = self.text("BITBUCKET_WORKSPACE")
        if product == "cloud" and not workspace:
            self.problems.append("BITBUCKET_WORKSPACE is not set: give the slug, as in bitbucket.org/<slug>")
        url = self.bitbucket_url(product)
        credentials = self.text("CREDENTIALS_SECRET_ARN")
        token = self.text("BITBUCKET_TOKEN_SECRET_ARN")
        port_secret = self.text("PORT_CLIENT_SECRET_SECRET_ARN")
        if not credentials and not port_secret:
            self.problems.append("PORT_CLIENT_SECRET_SECRET_ARN is not set: name the secret with Port's client secret")
        if not credentials and not token and api == "full":
            self.problems.append("BITBUCKET_TOKEN_SECRET_ARN is not set: name the secret with Bitbucket's token")
        settings = Settings(
            product=product,
            workspace=workspace,
            bitbucket_url=url,
            bitbucket_username=self.text("BITBUCKET_USERNAME"),
            bitbucket_api=api,
            port_client_id=self.required("PORT_CLIENT_ID", "the client id from Port's Credentials dialogue"),
            port_base_url=self.text("PORT_BASE_URL", PORT_API),
            integration_identifier=self.text("INTEGRATION_IDENTIFIER", default_identifier(product, workspace, url)),
            mapping_preset=self.choice("MAPPING_PRESET", ("default", "ocean"), "default"),
            ledger_table=self.required("LEDGER_TABLE", "the name of the DynamoDB table"),
            bitbucket_token_secret=token,
            port_client_secret_secret=port_secret,
            credentials_secret=credentials,
            resync_jobs_queue_url=self.required("RESYNC_JOBS_QUEUE_URL", "the URL of the resync jobs queue"),
            ca_bundle_secret=self.text("CA_BUNDLE_SECRET_ARN"),
            scheduled_resync_interval=self.minutes("SCHEDULED_RESYNC_INTERVAL", SCHEDULED_RESYNC_INTERVAL),
            list_interval=self.minutes("LIST_INTERVAL", LIST_INTERVAL.get(product, 0.0)),
            port_poll_interval=self.minutes("PORT_POLL_INTERVAL", PORT_POLL_INTERVAL),
            live_events=self.flag("LIVE_EVENTS", default=True),
            base_url=self.base_url(),
            webhook_secret=self.text("WEBHOOK_SECRET_ARN"),
            stack_id=self.text("STACK_ID"),
            repository_webhooks=self.repository_webhooks(),
            initialize_port_resources=self.flag("INITIALIZE_PORT_RESOURCES", default=True),
            send_raw_data_examples=self.flag("SEND_RAW_DATA_EXAMPLES", default=True),
            mapping_source=cast(
                "Literal['port', 'package']", self.choice("MAPPING_SOURCE", ("port", "package"), "port")
            ),
        )
        if self.problems:
            raise SettingsError("; ".join(self.problems))
        return settings

    def flag(self, name: str, *, default: bool) -> bool:
        return self.choice(name, ("true", "false"), str(default).lower()) == "true"

    def repository_webhooks(self) -> bool | None:
        given = self.choice("BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER", ("auto", "true", "false"), "auto")
        return None if given == "auto" else given == "true"

    def base_url(self) -> str:
        url = self.text("BASE_URL").rstrip("/")
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            self.problems.append(f"BASE_URL is {url!r}: write it as https://host[:port][/path]")
        return url

    def bitbucket_url(self, product: Product) -> str:
        url = self.text("BITBUCKET_URL", CLOUD_API if product == "cloud" else "").rstrip("/")
        if not url:
            self.problems.append("BITBUCKET_URL is not set: give the Data Center's address, without /rest/api")
            return url
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            self.problems.append(f"BITBUCKET_URL is {url!r}: write it as https://host[:port][/context]")
        if product == "server" and "/rest/api" in url:
            self.problems.append("BITBUCKET_URL ends in /rest/api: leave that part out")
            url = url.split("/rest/api", 1)[0]
        return url


def default_identifier(product: Product, workspace: str, bitbucket_url: str) -> str:
    """The integration identifier where none is set: the product and the workspace or host."""
    name = workspace if product == "cloud" else (urlsplit(bitbucket_url).hostname or "")
    return f"bitbucket-{product}-{name}".lower()
