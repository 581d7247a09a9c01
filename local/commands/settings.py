"""What the environment says: which servers to talk to, and the template's parameters."""

from __future__ import annotations

from collections.abc import Mapping

from bitbucket_port.objects import Product

PARAMETER_OF = {
    "BITBUCKET_PRODUCT": "BitbucketProduct",
    "BITBUCKET_WORKSPACE": "BitbucketWorkspace",
    "BITBUCKET_URL": "BitbucketUrl",
    "BITBUCKET_USERNAME": "BitbucketUsername",
    "BITBUCKET_TOKEN": "BitbucketToken",
    "BITBUCKET_API": "BitbucketApi",
    "LIVE_EVENTS": "LiveEvents",
    "BASE_URL": "BaseUrl",
    "BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER": "BitbucketIsVersion8Point7OrOlder",
    "PORT_CLIENT_ID": "PortClientId",
    "PORT_CLIENT_SECRET": "PortClientSecret",
    "PORT_BASE_URL": "PortBaseUrl",
    "INTEGRATION_IDENTIFIER": "IntegrationIdentifier",
    "MAPPING_SOURCE": "MappingSource",
    "MAPPING_PRESET": "MappingPreset",
    "INITIALIZE_PORT_RESOURCES": "InitializePortResources",
    "SEND_RAW_DATA_EXAMPLES": "SendRawDataExamples",
    "SCHEDULED_RESYNC_INTERVAL": "ScheduledResyncInterval",
    "LIST_INTERVAL": "ListInterval",
    "PORT_POLL_INTERVAL": "PortPollInterval",
    "LOG_LEVEL": "LogLevel",
}
CREDENTIALS = ("BITBUCKET_TOKEN", "PORT_CLIENT_ID", "PORT_CLIENT_SECRET")
ALSO_WITH_STAND_INS = (
    "BITBUCKET_API",
    "LIVE_EVENTS",
    "BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER",
    "MAPPING_SOURCE",
    "MAPPING_PRESET",
    "INITIALIZE_PORT_RESOURCES",
    "SEND_RAW_DATA_EXAMPLES",
    "SCHEDULED_RESYNC_INTERVAL",
    "LIST_INTERVAL",
    "PORT_POLL_INTERVAL",
    "LOG_LEVEL",
)
NO_RESYNC = {"ScheduledResyncInterval": "0", "ListInterval": "0"}
"""Parameters with which nothing happens but what somebody sets off."""
SECRET = ("BitbucketToken", "PortClientSecret", "PortClientId")


class SettingsError(Exception):
    """Settings that do not go together; the text says which."""


def real_servers(environment: Mapping[str, str]) -> dict[str, str] | None:
    """The template's parameters when the environment has credentials; None: use the stand-ins.

    Raises SettingsError when only some of the credentials are there.
    """
    given = [name for name in CREDENTIALS if environment.get(name)]
    if not given:
        return None
    if len(given) < len(CREDENTIALS) and environment.get("BITBUCKET_API") != "none":
        missing = ", ".join(sorted(set(CREDENTIALS) - set(given)))
        raise SettingsError(f"Set {missing} too, or none of them to use the stand-ins.")
    # Webhook-only mode needs no token; the template wants something typed.
    return {"BitbucketToken": "-", **_parameters(environment, PARAMETER_OF)}


def product_of(parameters: Mapping[str, str]) -> Product:
    """Which Bitbucket the parameters are for; the template refuses what is neither."""
    return "server" if parameters.get("BitbucketProduct") == "server" else "cloud"


def with_stand_ins(environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters that the environment may set where the servers are stand-ins."""
    return _parameters(environment, ALSO_WITH_STAND_INS)


def _parameters(environment: Mapping[str, str], names: Mapping[str, str] | tuple[str, ...]) -> dict[str, str]:
    return {PARAMETER_OF[name]: environment[name] for name in names if environment.get(name)}
