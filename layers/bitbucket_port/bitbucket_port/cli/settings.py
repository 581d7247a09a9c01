"""What the command is told: by options, by our variables, by those of Port's own integrations, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from bitbucket_port.cli.ocean import is_given, translated
from bitbucket_port.errors import SettingsError
from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject
from bitbucket_port.settings import Settings

NAMES: Mapping[str, str] = {
    "BITBUCKET_PRODUCT": "cloud, or server for Bitbucket Data Center",
    "BITBUCKET_WORKSPACE": "Cloud: the workspace's slug, as in bitbucket.org/<slug>",
    "BITBUCKET_URL": "Data Center: its address, without /rest/api",
    "BITBUCKET_USERNAME": "whose password or API token the token is; without it, it is an access token",
    "BITBUCKET_TOKEN": "access token (several separated by commas), API token or password",
    "PORT_CLIENT_ID": "the client id from Port's Credentials dialogue",
    "PORT_CLIENT_SECRET": "the client secret from there",
    "PORT_BASE_URL": "Port's API (https://api.getport.io, https://api.us.getport.io)",
    "INTEGRATION_IDENTIFIER": "this integration's name in Port (bitbucket-cloud-<workspace>, bitbucket-server-<host>)",
    "MAPPING_PRESET": "default, or ocean for that of Port's own integration",
    "MAPPING_FILE": "a mapping of your own, YAML or JSON",
    "SEND_RAW_DATA_EXAMPLES": "false shows Port no examples of raw data, with which it helps edit the mapping (true)",
}
"""The settings and what they are; each has an option, ``--bitbucket-product`` and so on."""

SETUP_NAMES: Mapping[str, str] = {
    **NAMES,
    "BITBUCKET_API": "none where nothing of ours may ask Bitbucket (webhook-only mode); else full",
    "LIVE_EVENTS": "false makes no webhooks (true)",
    "BASE_URL": "the public URL that Bitbucket sends webhooks to, without /webhooks",
    "WEBHOOK_SECRET": "what those webhooks are signed with",
    "BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER": "Data Center: true, false, or auto to ask the server (auto)",
    "INITIALIZE_PORT_RESOURCES": "false makes no blueprints (true)",
    "MAPPING_SOURCE": "port: the integration's mapping in Port counts, package: the one that comes with this (port)",
    "SCHEDULED_RESYNC_INTERVAL": "minutes between two resyncs, 0 for none (360)",
}
"""The settings of set-up."""
PORT_NAMES: Mapping[str, str] = {
    name: what
    for name, what in NAMES.items()
    if name not in ("BITBUCKET_USERNAME", "BITBUCKET_TOKEN", "MAPPING_PRESET", "MAPPING_FILE", "SEND_RAW_DATA_EXAMPLES")
}
"""The settings of what only asks Port, as one of its integrations."""

_CREDENTIALS = frozenset({"BITBUCKET_TOKEN", "BITBUCKET_USERNAME"})
_NOT_NEEDED = {
    "BITBUCKET_API": "full",
    "LEDGER_TABLE": "-",
    "RESYNC_JOBS_QUEUE_URL": "-",
    "BITBUCKET_TOKEN_SECRET_ARN": "-",
    "PORT_CLIENT_SECRET_SECRET_ARN": "-",
    "CREDENTIALS_SECRET_ARN": "",
    "CA_BUNDLE_SECRET_ARN": "",
}
"""What a function has to know, and this process has no use for."""


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """Settings of a run in one process; ``verify`` is what certificates are checked against."""

    common: Settings
    bitbucket_token: str = field(repr=False)
    port_client_secret: str = field(repr=False)
    mapping_file: str = ""
    webhook_secret: str = field(default="", repr=False)
    verify: bool | str = True

    def mapping(self) -> PortMapping:
        """The mapping of the file, or of the preset; raises SettingsError when there is none."""
        if self.mapping_file:
            return parse(read_mapping(self.mapping_file), product=self.common.product, file=self.mapping_file)
        product, preset = self.common.product, self.common.mapping_preset
        return parse(load(product, preset), product=product, file=f"mappings/{product}/{preset}.yaml")


def resolved(options: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str]:
    """Every setting that is given anywhere, by its name in the environment.

    A setting of ours that is there but empty counts as not given, as pipelines leave variables of no secret behind.
    """
    ours = {name: value.strip() for name, value in environment.items() if is_given(value)}
    given = {name: value for name, value in options.items() if value}
    foreign = translated(environment)
    if _CREDENTIALS & {*ours, *given}:
        # A user name of one and a token of the other would be a pair that nobody meant.
        foreign = {name: value for name, value in foreign.items() if name not in _CREDENTIALS}
    return {**foreign, **ours, **given}


def from_values(values: Mapping[str, str], *, names: Mapping[str, str] = NAMES) -> CommandSettings:
    """Checked settings; raises SettingsError naming everything that is missing or wrong.

    Only ``names`` count: what else a pipeline calls BASE_URL, say, is its own affair. Without a name for Bitbucket's
    token, Bitbucket is not asked.
    """
    known = {name: value for name, value in values.items() if name in names}
    if "BITBUCKET_TOKEN" not in names:
        known["BITBUCKET_API"] = "none"
    needed: tuple[str, ...] = ("PORT_CLIENT_SECRET",)
    if known.get("BITBUCKET_API", "").lower() != "none":
        needed = ("BITBUCKET_TOKEN", *needed)
    problems = [f"{name} is not set: {names[name]}" for name in needed if not known.get(name)]
    common: Settings | None = None
    try:
        common = Settings.from_environment({**_NOT_NEEDED, **known})
    except SettingsError as error:
        problems.append(str(error))
    if problems or common is None:
        raise SettingsError("; ".join(problems))
    return CommandSettings(
        common,
        known.get("BITBUCKET_TOKEN", ""),
        known["PORT_CLIENT_SECRET"],
        known.get("MAPPING_FILE", ""),
        known.get("WEBHOOK_SECRET", ""),
        verify=trusted(values),
    )


def trusted(environment: Mapping[str, str]) -> Literal[True] | str:
    """``SSL_CERT_FILE``, which Port's own integrations read, counts here too; ``requests`` knows the other names."""
    own = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    return True if own else environment.get("SSL_CERT_FILE") or True


def read_mapping(path: str) -> JsonObject:
    """The document in a YAML (or JSON) file; raises SettingsError when it cannot be read."""
    import yaml

    try:
        document: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"MAPPING_FILE {path!r} cannot be read: {type(error).__name__}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise SettingsError(f"MAPPING_FILE {path!r} is no YAML: {getattr(error, 'problem', 'wrong')}{place}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"MAPPING_FILE {path!r} is no mapping: write an object with a list of resources")
    return cast(JsonObject, document)
