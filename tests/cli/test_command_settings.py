"""Where the command's settings come from: options, our variables, those of Port's own integrations."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_port.cli.ocean import translated
from bitbucket_port.cli.settings import PORT_NAMES, SETUP_NAMES, from_values, resolved
from bitbucket_port.errors import SettingsError

OURS = {
    "BITBUCKET_WORKSPACE": "northwind",
    "BITBUCKET_TOKEN": "token",
    "PORT_CLIENT_ID": "id",
    "PORT_CLIENT_SECRET": "secret",
}
CLOUD_PIPELINE = {
    "OCEAN__EVENT_LISTENER": '{"type":"ONCE"}',
    "OCEAN__INITIALIZE_PORT_RESOURCES": "true",
    "OCEAN__SEND_RAW_DATA_EXAMPLES": "true",
    "OCEAN__INTEGRATION__IDENTIFIER": "my-integration",
    "OCEAN__INTEGRATION__CONFIG__BITBUCKET_USERNAME": "",
    "OCEAN__INTEGRATION__CONFIG__BITBUCKET_APP_PASSWORD": "",
    "OCEAN__INTEGRATION__CONFIG__BITBUCKET_WORKSPACE": "northwind",
    "OCEAN__INTEGRATION__CONFIG__BITBUCKET_WORKSPACE_TOKEN": "workspace-token",
    "OCEAN__PORT__CLIENT_ID": "id",
    "OCEAN__PORT__CLIENT_SECRET": "secret",
    "OCEAN__PORT__BASE_URL": "https://api.us.getport.io",
}
CONFIG = "OCEAN__INTEGRATION__CONFIG__"


def test_a_pipeline_of_ports_own_cloud_integration_has_all_settings() -> None:
    settings = from_values(resolved({}, CLOUD_PIPELINE))
    assert settings.common.product == "cloud"
    assert settings.common.workspace == "northwind"
    assert settings.common.bitbucket_username == ""
    assert settings.bitbucket_token == "workspace-token"
    assert (settings.common.port_client_id, settings.port_client_secret) == ("id", "secret")
    assert settings.common.port_base_url == "https://api.us.getport.io"
    assert settings.common.integration_identifier == "my-integration"


def test_a_pipeline_of_ports_own_data_center_integration_has_all_settings() -> None:
    values = resolved(
        {},
        {
            f"{CONFIG}BITBUCKET_BASE_URL": "https://bitbucket.example.com/context/",
            f"{CONFIG}BITBUCKET_USERNAME": "robot",
            f"{CONFIG}BITBUCKET_PASSWORD": "password",
            "OCEAN__PORT__CLIENT_ID": "id",
            "OCEAN__PORT__CLIENT_SECRET": "secret",
        },
    )
    settings = from_values(values)
    assert settings.common.product == "server"
    assert settings.common.bitbucket_url == "https://bitbucket.example.com/context"
    assert (settings.common.bitbucket_username, settings.bitbucket_token) == ("robot", "password")
    assert settings.common.integration_identifier == "bitbucket-server-bitbucket.example.com"


@pytest.mark.parametrize(
    ("given", "username", "token"),
    [
        ({"WORKSPACE_TOKEN": "w", "USERNAME": "u", "APP_PASSWORD": "p"}, "", "w"),
        ({"USERNAME": "u", "APP_PASSWORD": "p", "USER_EMAIL": "e", "USER_SCOPED_TOKEN": "s"}, "u", "p"),
        ({"USER_EMAIL": "e", "USER_SCOPED_TOKEN": "s"}, "e", "s"),
    ],
)
def test_of_several_credentials_the_same_is_used_as_there(given: dict[str, str], username: str, token: str) -> None:
    found = translated({f"{CONFIG}BITBUCKET_{name}": value for name, value in given.items()})
    assert (found["BITBUCKET_USERNAME"], found["BITBUCKET_TOKEN"]) == (username, token)


def test_a_user_name_with_another_ones_token_is_no_credential() -> None:
    found = translated({f"{CONFIG}BITBUCKET_USERNAME": "u", f"{CONFIG}BITBUCKET_USER_SCOPED_TOKEN": "s"})
    assert "BITBUCKET_TOKEN" not in found


def test_groups_may_be_json_and_names_in_any_case() -> None:
    found = translated(
        {
            "ocean__port": '{"clientId": "id", "client_secret": "secret"}',
            "OCEAN__INTEGRATION": '{"identifier": "mine", "type": "bitbucket-server", "config": {'
            '"bitbucketPassword": "p", "bitbucketUsername": "u", "bitbucketBaseUrl": "https://b.example.com"}}',
        }
    )
    assert found == {
        "PORT_CLIENT_ID": "id",
        "PORT_CLIENT_SECRET": "secret",
        "INTEGRATION_IDENTIFIER": "mine",
        "BITBUCKET_PRODUCT": "server",
        "BITBUCKET_URL": "https://b.example.com",
        "BITBUCKET_USERNAME": "u",
        "BITBUCKET_TOKEN": "p",
    }


def test_a_single_variable_counts_more_than_its_group() -> None:
    found = translated({"OCEAN__PORT__CLIENT_ID": "single", "OCEAN__PORT": '{"clientId": "group"}'})
    assert found["PORT_CLIENT_ID"] == "single"


def test_options_count_more_than_our_variables_and_those_more_than_oceans() -> None:
    environment = {**CLOUD_PIPELINE, "PORT_CLIENT_ID": "ours", "BITBUCKET_WORKSPACE": "ours"}
    values = resolved({"BITBUCKET_WORKSPACE": "option", "PORT_BASE_URL": None}, environment)
    assert values["BITBUCKET_WORKSPACE"] == "option"
    assert values["PORT_CLIENT_ID"] == "ours"
    assert values["PORT_BASE_URL"] == "https://api.us.getport.io"


def test_a_token_of_ours_is_never_paired_with_a_user_name_of_oceans() -> None:
    environment = {f"{CONFIG}BITBUCKET_USERNAME": "u", f"{CONFIG}BITBUCKET_PASSWORD": "p", "BITBUCKET_TOKEN": "ours"}
    values = resolved({}, environment)
    assert values["BITBUCKET_TOKEN"] == "ours"
    assert "BITBUCKET_USERNAME" not in values


def test_what_a_pipeline_leaves_behind_for_a_variable_it_lacks_is_not_a_value() -> None:
    unset = {f"{CONFIG}BITBUCKET_WORKSPACE_TOKEN": "$(BITBUCKET_TOKEN)", "BITBUCKET_USERNAME": " "}
    values = resolved({}, {**unset, "PORT_BASE_URL": "$(PORT_BASE_URL)", "PORT_CLIENT_SECRET": "a$(b"})
    assert values == {"PORT_CLIENT_SECRET": "a$(b"}


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        from_values(resolved({}, {"BITBUCKET_PRODUCT": "server"}))
    for name in ("BITBUCKET_TOKEN", "PORT_CLIENT_SECRET", "PORT_CLIENT_ID", "BITBUCKET_URL"):
        assert name in str(caught.value)


def test_settings_show_no_secret() -> None:
    shown = repr(from_values({**OURS, "BITBUCKET_TOKEN": "hidden-1", "PORT_CLIENT_SECRET": "hidden-2"}))
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("content", "said"),
    [("resources: [", "line 1"), ("- a list", "no mapping"), (None, "cannot be read")],
)
def test_a_mapping_file_that_is_wrong_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "mapping.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=said) as caught:
        from_values({**OURS, "MAPPING_FILE": str(path)}).mapping()
    assert str(path) in str(caught.value)


def test_a_mapping_file_is_used_instead_of_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text("resources: []\nentityDeletionThreshold: 0.5\n")
    assert from_values({**OURS, "MAPPING_FILE": str(path)}).mapping().deletion_threshold == 0.5
    assert from_values(OURS).mapping().resources
    assert from_values({**OURS, "MAPPING_PRESET": "ocean"}).mapping().hash != from_values(OURS).mapping().hash


def test_the_certificates_ports_own_integrations_trust_are_trusted() -> None:
    assert from_values(OURS).verify is True
    assert from_values({**OURS, "SSL_CERT_FILE": "/ca.pem"}).verify == "/ca.pem"
    assert from_values({**OURS, "SSL_CERT_FILE": "/ca.pem", "REQUESTS_CA_BUNDLE": "/own.pem"}).verify is True


def test_set_up_has_settings_of_its_own_which_resyncs_leave_alone() -> None:
    values = resolved({}, {**OURS, "BASE_URL": "staging", "LIVE_EVENTS": "perhaps", "BITBUCKET_API": "none"})
    assert from_values(values).common.base_url == ""
    with pytest.raises(SettingsError) as raised:
        from_values(values, names=SETUP_NAMES)
    assert {"BASE_URL", "LIVE_EVENTS"} <= {problem.split()[0] for problem in str(raised.value).split("; ")}


def test_what_ports_own_integrations_call_the_settings_of_set_up() -> None:
    found = translated(
        {
            "OCEAN__BASE_URL": "https://hooks.example.com",
            "OCEAN__INITIALIZE_PORT_RESOURCES": "False",
            "OCEAN__SEND_RAW_DATA_EXAMPLES": "yes",
            "OCEAN__SCHEDULED_RESYNC_INTERVAL": "120",
            f"{CONFIG}BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER": "true",
            f"{CONFIG}BITBUCKET_WEBHOOK_SECRET": "theirs",
        }
    )
    settings = from_values({**OURS, **found}, names=SETUP_NAMES)
    assert settings.webhook_secret == "theirs"
    assert settings.common.base_url == "https://hooks.example.com"
    assert (settings.common.initialize_port_resources, settings.common.send_raw_data_examples) == (False, True)
    assert settings.common.scheduled_resync_interval == 120
    assert settings.common.repository_webhooks is True


def test_what_only_asks_port_needs_no_token_of_bitbucket() -> None:
    given = {name: value for name, value in OURS.items() if name != "BITBUCKET_TOKEN"}
    assert from_values(given, names=PORT_NAMES).common.webhook_only
    with pytest.raises(SettingsError, match="BITBUCKET_TOKEN is not set"):
        from_values(given)
