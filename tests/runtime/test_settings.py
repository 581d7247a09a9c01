"""Settings: everything that is wrong is said at once, and nothing is guessed."""

from __future__ import annotations

import pytest

from bitbucket_port.errors import SettingsError
from bitbucket_port.settings import Settings, default_identifier

CLOUD = {
    "BITBUCKET_WORKSPACE": "acme",
    "BITBUCKET_TOKEN_SECRET_ARN": "arn:token",
    "PORT_CLIENT_SECRET_SECRET_ARN": "arn:port",
    "PORT_CLIENT_ID": "client",
    "LEDGER_TABLE": "ledger",
    "RESYNC_JOBS_QUEUE_URL": "https://queue/jobs",
}
SERVER = {**CLOUD, "BITBUCKET_PRODUCT": "server", "BITBUCKET_WORKSPACE": "", "BITBUCKET_URL": "https://git.example.com"}


def test_cloud_needs_a_workspace_and_has_defaults_for_the_rest() -> None:
    settings = Settings.from_environment(CLOUD)
    assert settings.bitbucket_url == "https://api.bitbucket.org/2.0"
    assert settings.port_base_url == "https://api.getport.io"
    assert settings.integration_identifier == "bitbucket-cloud-acme"
    assert settings.integration_type == "bitbucket-cloud"
    assert not settings.webhook_only


def test_data_center_is_named_after_its_host() -> None:
    settings = Settings.from_environment({**SERVER, "BITBUCKET_URL": "https://git.example.com:8443/bitbucket/"})
    assert settings.bitbucket_url == "https://git.example.com:8443/bitbucket"
    assert settings.integration_identifier == "bitbucket-server-git.example.com"
    assert default_identifier("server", "", "https://GIT.example.com") == "bitbucket-server-git.example.com"


def test_every_missing_variable_is_named_in_one_error() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({})
    for name in ("BITBUCKET_WORKSPACE", "PORT_CLIENT_ID", "LEDGER_TABLE", "RESYNC_JOBS_QUEUE_URL", "_TOKEN_SECRET_ARN"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BITBUCKET_PRODUCT", "gitlab", "cloud, server"),
        ("BITBUCKET_API", "some", "full, none"),
        ("MAPPING_PRESET", "mine", "default, ocean"),
        ("SCHEDULED_RESYNC_INTERVAL", "6h", "a number of minutes"),
        ("SCHEDULED_RESYNC_INTERVAL", "-1", "0 for never"),
        ("LIST_INTERVAL", "nan", "a number of minutes"),
        ("LIST_INTERVAL", "inf", "a number of minutes"),
        ("BITBUCKET_URL", "git.example.com", "https://host"),
        ("BITBUCKET_URL", "https://git.example.com/rest/api/1.0", "leave that part out"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_environment({**SERVER, name: value})
    assert said in str(caught.value)


def test_one_secret_with_both_credentials_stands_for_the_other_two() -> None:
    without = {name: value for name, value in CLOUD.items() if not name.endswith("SECRET_ARN")}
    settings = Settings.from_environment({**without, "CREDENTIALS_SECRET_ARN": "arn:both"})
    assert settings.credentials_secret == "arn:both"


@pytest.mark.parametrize(
    ("environment", "given", "full", "listing"),
    [
        (CLOUD, {}, 360, 60),
        (SERVER, {}, 360, 15),
        (SERVER, {"LIST_INTERVAL": "auto"}, 360, 15),
        (CLOUD, {"LIST_INTERVAL": " ", "SCHEDULED_RESYNC_INTERVAL": "720"}, 720, 60),
        (CLOUD, {"LIST_INTERVAL": "5", "SCHEDULED_RESYNC_INTERVAL": "0"}, 0, 5),
        (SERVER, {"LIST_INTERVAL": "0"}, 360, 0),
    ],
)
def test_data_center_is_listed_more_often_since_it_tells_less(
    environment: dict[str, str], given: dict[str, str], full: float, listing: float
) -> None:
    settings = Settings.from_environment({**environment, **given})

    assert (settings.scheduled_resync_interval, settings.list_interval) == (full, listing)


def test_webhook_only_mode_needs_no_token_of_bitbucket() -> None:
    settings = Settings.from_environment({**CLOUD, "BITBUCKET_TOKEN_SECRET_ARN": "", "BITBUCKET_API": "none"})
    assert settings.webhook_only
