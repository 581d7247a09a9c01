"""The settings of Port's own Bitbucket integrations, so that a pipeline written for them runs with this command.

Facts: those integrations read ``OCEAN__`` variables, nested by ``__``, in any case; a whole group may be one JSON value
(``OCEAN__PORT={"clientId": …}``). Of several Bitbucket credentials they use the workspace token first, then user name
and password, then e-mail and API token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

PREFIX = "ocean__"
NAMES = {
    ("port", "clientid"): "PORT_CLIENT_ID",
    ("port", "clientsecret"): "PORT_CLIENT_SECRET",
    ("port", "baseurl"): "PORT_BASE_URL",
    ("integration", "identifier"): "INTEGRATION_IDENTIFIER",
    ("integration", "config", "bitbucketworkspace"): "BITBUCKET_WORKSPACE",
    ("integration", "config", "bitbuckethosturl"): "BITBUCKET_URL",
    ("integration", "config", "bitbucketbaseurl"): "BITBUCKET_URL",
    ("integration", "config", "bitbucketisversion8point7orolder"): "BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER",
    ("integration", "config", "webhooksecret"): "WEBHOOK_SECRET",
    ("integration", "config", "bitbucketwebhooksecret"): "WEBHOOK_SECRET",
    ("baseurl",): "BASE_URL",
    ("liveevents", "baseurl"): "BASE_URL",
    ("initializeportresources",): "INITIALIZE_PORT_RESOURCES",
    ("sendrawdataexamples",): "SEND_RAW_DATA_EXAMPLES",
    ("scheduledresyncinterval",): "SCHEDULED_RESYNC_INTERVAL",
}
_FLAGS = frozenset({"BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER", "INITIALIZE_PORT_RESOURCES", "SEND_RAW_DATA_EXAMPLES"})
_TRUE, _FALSE = ("1", "on", "t", "y", "yes"), ("0", "off", "f", "n", "no")
"""Other words for true and false that those integrations understand (Pydantic, "Booleans")."""
_UNRESOLVED = re.compile(r"\$\([\w.]+\)")
_CONFIG = ("integration", "config")
CREDENTIALS = (
    ("", "bitbucketworkspacetoken"),
    ("bitbucketusername", "bitbucketapppassword"),
    ("bitbucketusername", "bitbucketpassword"),
    ("bitbucketuseremail", "bitbucketuserscopedtoken"),
)
"""User and secret, the first pair that is complete counts."""
_ONLY_SERVER = ("bitbucketbaseurl", "bitbucketpassword")

_Path = tuple[str, ...]


def translated(environment: Mapping[str, str]) -> dict[str, str]:
    """What ``OCEAN__`` variables say, under our own names; empty when there are none."""
    found = dict(_values(environment))
    ours = {NAMES[path]: value for path, value in found.items() if path in NAMES}
    config = {path[-1]: value for path, value in found.items() if path[:-1] == _CONFIG}
    product = _product(found.get(("integration", "type"), ""), config)
    if product:
        ours["BITBUCKET_PRODUCT"] = product
    ours.update(_credentials(config))
    return {name: _flag(value) if name in _FLAGS else value for name, value in ours.items()}


def _values(environment: Mapping[str, str]) -> Iterator[tuple[_Path, str]]:
    """Path and value of everything set, names without case and single underscores; the shorter names come first."""
    for name, value in sorted(environment.items(), key=lambda one: one[0].count("__")):
        if name.lower().startswith(PREFIX) and is_given(value):
            path = tuple(_plain(part) for part in name.lower().removeprefix(PREFIX).split("__"))
            yield from _unfolded(path, value.strip())


def _unfolded(path: _Path, value: Any) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return  # No group of settings; what it would have set is reported as missing.
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _unfolded((*path, _plain(str(name))), inner)
    elif value is not None:
        yield path, str(value)


def is_given(value: str) -> bool:
    """Whether a variable says anything: Azure DevOps leaves ``$(NAME)`` behind for a variable it does not have."""
    return bool(value.strip()) and _UNRESOLVED.fullmatch(value.strip()) is None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _flag(text: str) -> str:
    return "true" if text.lower() in _TRUE else "false" if text.lower() in _FALSE else text


def _product(integration_type: str, config: Mapping[str, str]) -> str:
    """Told by the type; in a pipeline it was the name of the image, so also by what only one of them has."""
    if integration_type:
        return integration_type.lower().removeprefix("bitbucket-")
    if any(name in config for name in _ONLY_SERVER):
        return "server"
    return "cloud" if config else ""


def _credentials(config: Mapping[str, str]) -> dict[str, str]:
    for user, token in CREDENTIALS:
        if config.get(token) and (not user or config.get(user)):
            return {"BITBUCKET_USERNAME": config.get(user, ""), "BITBUCKET_TOKEN": config[token]}
    return {}
