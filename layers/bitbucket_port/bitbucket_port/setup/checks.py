"""What has to be right outside before a stack can work: looked at, said with what to do about it, never changed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests

from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    ForbiddenError,
    NotFoundError,
    SettingsError,
    TransientError,
)
from bitbucket_port.http import HttpClient, Response, path_of
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.token import NoPortError
from bitbucket_port.settings import Settings
from bitbucket_port.setup.either_way import send_either_way
from bitbucket_port.setup.estimate import estimate
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.others import other_installations
from bitbucket_port.setup.scopes import HEADER, scopes_finding

PORT, BITBUCKET, REACHABILITY = "Port credentials", "Bitbucket credentials", "Reachability"
OLDEST_TRIED = (7, 21)
_LATER = "The next set-up looks again."
Answer = TypeVar("Answer")


class Asks(Protocol):
    """Bitbucket, asked with the care for refused tokens that ``BitbucketReader`` takes."""

    def asked(self, ask: Callable[[HttpClient], Answer]) -> Answer:
        """What ``ask`` gets."""


@dataclass
class Checks:
    """``bitbucket_reader`` is None where Bitbucket is never asked; ``tokens`` tells how many there are of it.

    ``known_version``: under which this stack registered itself in Port last, empty before it did. ``test_webhook`` has
    a Data Center call an address itself; ``trusted`` is what certificates of the stack's own address are checked with.
    """

    settings: Settings
    port_client: PortClient
    bitbucket_reader: Asks | None
    engine: Callable[[], MappingEngine]
    tokens: Callable[[], int]
    test_webhook: Callable[[str], Finding | None]
    known_version: Callable[[], str] = lambda: ""
    trusted: bool | str = True
    _answer: Response | None = field(default=None, init=False, repr=False)

    def port(self) -> Finding:
        """``ok``; ``failed`` when Port refuses us or is not there; ``warning`` when it cannot be asked now."""
        try:
            self.port_client.enter()
        except (CredentialsRefusedError, ForbiddenError):
            text = f"{self.settings.port_base_url} refuses the client {self.settings.port_client_id} with this secret."
            fix = "Take PortClientId and PortClientSecret from Port's menu, Credentials, and PortBaseUrl of that region"
            return Finding(PORT, "failed", text, f"{fix} (https://api.getport.io, https://api.us.getport.io).")
        except (NoPortError, SettingsError) as error:
            return Finding(PORT, "failed", f"{error}.", "Correct PortBaseUrl (https://api.getport.io).")
        except BitbucketPortError as error:
            return Finding(PORT, "warning", f"{error}.", _LATER)
        return Finding(PORT, "ok", f"{self.settings.port_base_url} lets the client {self.settings.port_client_id} in.")

    def bitbucket(self) -> Finding:
        """The same of Bitbucket and of the workspace; ``skipped`` where it is never asked."""
        if self.bitbucket_reader is None:
            return Finding(BITBUCKET, "skipped", "Bitbucket is never asked (BitbucketApi: none).")
        try:
            self._answer = self.bitbucket_reader.asked(self._root)
        except BitbucketPortError as error:
            fix = self._fix_of(error)
            return Finding(BITBUCKET, "failed" if fix else "warning", f"{error}.", fix or self._network_fix())
        return Finding(BITBUCKET, "ok", f"{self._place()} lets this token in.")

    def other_installations(self) -> list[Finding]:
        """Who else writes the same blueprints; raises what Port raises."""
        return other_installations(
            self.port_client,
            self.engine().mapping,
            identifier=self.settings.integration_identifier,
            known_version=self.known_version(),
        )

    def permissions(self) -> list[Finding]:
        """Cloud: the token's scopes. Data Center: its version. Raises what Bitbucket raises."""
        if self.settings.product == "cloud":
            header = (self._answer or self._get(self._root_path)).headers.get(HEADER)
            return [scopes_finding(header, self.engine().kinds(), webhooks=self._makes_webhooks)]
        answer = self._get("/application-properties").json()
        version = str(answer.get("version") or "") if isinstance(answer, dict) else ""
        return [_version_finding(version)]

    def reachability(self) -> list[Finding]:
        """Whether Bitbucket can deliver webhooks; Cloud has no way to try, so the address itself is tried from here."""
        if not self._makes_webhooks:
            return []
        url = f"{self.settings.base_url}/webhooks"
        if self.settings.product == "server":
            found = self.test_webhook(url)
            return [found] if found else []
        if _is_public(self.settings.bitbucket_url) and not _is_public(url):
            text = f"{url} is no address that Bitbucket Cloud can reach."
            return [Finding(REACHABILITY, "warning", text, "Set BaseUrl to that of a tunnel or proxy.")]
        return [self._self_test(url)]

    def estimate(self) -> list[Finding]:
        """How long a resync takes; raises what Bitbucket raises."""
        settings = self.settings
        whole = estimate(
            self.engine(),
            settings.workspace,
            self._get,
            tokens=self.tokens(),
            interval=settings.scheduled_resync_interval,
        )
        found = [whole.finding()]
        if not whole.sizes.repositories and whole.sizes.repositories is not None:
            text = f"{self._place()} shows this account no repository."
            found.append(Finding("Bitbucket contents", "warning", text, "Let the account read the repositories."))
        return found

    # --- Bitbucket ---------------------------------------------------------------------------------------------------

    @property
    def _makes_webhooks(self) -> bool:
        settings = self.settings
        return settings.live_events and bool(settings.base_url) and not settings.webhook_only

    @property
    def _root_path(self) -> str:
        """What every credential that can work here may read. A Data Center tells its version to anybody."""
        return path_of("workspaces", self.settings.workspace) if self.settings.product == "cloud" else "/projects"

    def _root(self, http: HttpClient) -> Response:
        params = {"fields": "uuid"} if self.settings.product == "cloud" else {"limit": 1}
        answer = http.request("GET", self._root_path, params=params, ok=(200,))
        said = answer.json()
        if not isinstance(said, dict) or not {"uuid", "values"} & said.keys():
            raise TransientError(f"what answers at {self.settings.bitbucket_url} is not Bitbucket")
        return answer

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Response:
        if self.bitbucket_reader is None:
            raise SettingsError("Bitbucket is never asked (BitbucketApi: none)")
        return self.bitbucket_reader.asked(lambda http: http.request("GET", path, params=params, ok=(200,)))

    def _place(self) -> str:
        settings = self.settings
        return f"workspace {settings.workspace}" if settings.product == "cloud" else settings.bitbucket_url

    def _fix_of(self, error: BitbucketPortError) -> str:
        """What to do about an error that no waiting mends; empty for one that may pass."""
        settings = self.settings
        if isinstance(error, ForbiddenError):
            return f"Give the token's account access to {self._place()}."
        if isinstance(error, NotFoundError):
            if settings.product == "cloud":
                return "Correct BitbucketWorkspace: the part after bitbucket.org/ in the workspace's address."
            return "Correct BitbucketUrl: Bitbucket's address with its context path, without /rest/api."
        if isinstance(error, CredentialsRefusedError | SettingsError):
            if settings.bitbucket_username:
                return "Correct BitbucketToken or BitbucketUsername: a password or API token and whose it is."
            return "Correct BitbucketToken: without BitbucketUsername it has to be an access token."
        return ""

    def _network_fix(self) -> str:
        if self.settings.product == "cloud":
            return _LATER
        return f"{_LATER} If AWS can never reach it, see webhook-only mode (docs/bitbucket-data-center.md)."

    # --- the way back ------------------------------------------------------------------------------------------------

    def _self_test(self, url: str) -> Finding:
        """The address answers as this project does when it gets a connection test."""
        headers = {"X-Event-Key": "diagnostics:ping", "Content-Type": "application/json"}
        try:
            answer = send_either_way("POST", url, body=b'{"test": true}', headers=headers, verify=self.trusted)
        except requests.RequestException as error:
            text = f"{url} cannot be reached from this function ({type(error).__name__})."
            return Finding(REACHABILITY, "warning", text, "If BaseUrl is set, correct it or what answers there.")
        if answer.status_code != 200:
            text = f"{url} answered a connection test with {answer.status_code} instead of 200."
            return Finding(REACHABILITY, "warning", text, "Correct BaseUrl, or what stands in between.")
        return Finding(REACHABILITY, "ok", f"{url} answers. Bitbucket Cloud itself cannot be told to try it.")


def _is_public(url: str) -> bool:
    """Whether the internet can know the address: Cloud delivers to nothing else (Atlassian, "Manage webhooks")."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal"))


def _version_finding(version: str) -> Finding:
    about, text = "Bitbucket version", f"Bitbucket Data Center {version}."
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) < 2:
        return Finding(about, "skipped", "the server does not tell its version.")
    if numbers < OLDEST_TRIED:
        oldest = ".".join(map(str, OLDEST_TRIED))
        return Finding(about, "warning", text, f"Versions before {oldest} were never tried with this.")
    return Finding(about, "ok", text)
