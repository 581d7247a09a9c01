"""What is looked at outside, each with what to do when it is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bitbucket_port.setup.checks import Checks
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn
from tests.setup_run.checking import checks_of

OCEAN_MAPPING = {
    "resources": [
        {
            "kind": "repository",
            "selector": {"query": "true"},
            "port": {
                "entity": {
                    "mappings": {"identifier": ".uuid", "blueprint": '"bitbucketCloudRepository"', "properties": {}}
                }
            },
        }
    ]
}


# --- credentials -----------------------------------------------------------------------------------------------------


def test_good_credentials_are_told_with_where_they_are_good(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    checks = checks_of(cloud, port)
    assert (checks.port().outcome, checks.bitbucket().outcome) == ("ok", "ok")
    assert checks.bitbucket().text == "workspace acme lets this token in."


def test_a_secret_that_port_refuses_names_both_parameters(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    finding = checks_of(cloud, port, client_secret="wrong").port()
    assert finding.outcome == "failed"
    assert "refuses the client client" in finding.text
    assert "PortClientId and PortClientSecret" in finding.fix
    assert "wrong" not in str(finding)


def test_where_there_is_no_port_the_address_is_wrong(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    port.fail_next(1, 404, "access_token")
    finding = checks_of(cloud, port).port()
    assert (finding.outcome, "PortBaseUrl" in finding.fix) == ("failed", True)


def test_port_or_bitbucket_being_down_is_no_refusal(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    checks = checks_of(cloud, port)
    port.down = cloud.down = True
    for finding in (checks.port(), checks.bitbucket()):
        assert finding.outcome == "warning"
        assert "next set-up" in finding.fix


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_a_token_that_bitbucket_refuses_is_named_and_not_tried_twice(
    product: str, cloud: BitbucketCloudStandIn, server: BitbucketServerStandIn, port: PortStandIn
) -> None:
    bitbucket = cloud if product == "cloud" else server
    checks = checks_of(bitbucket, port, token="nonsense")
    finding = checks.bitbucket()
    assert finding.outcome == "failed"
    assert finding.fix.startswith("Correct BitbucketToken")
    assert "nonsense" not in str(finding)
    sent = len(bitbucket.requests)
    assert checks.bitbucket().outcome == "failed"
    assert len(bitbucket.requests) == sent


def test_an_app_password_is_told_to_be_one(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    finding = checks_of(cloud, port, token="ATBBxyz").bitbucket()
    assert (finding.outcome, "looks like an app password" in finding.text) == ("failed", True)
    assert cloud.requests == []


def test_a_workspace_or_server_that_is_not_there_names_the_parameter(
    cloud: BitbucketCloudStandIn, server: BitbucketServerStandIn, port: PortStandIn
) -> None:
    finding = checks_of(cloud, port, workspace="elsewhere").bitbucket()
    assert finding.outcome == "failed"
    assert finding.fix.startswith("Correct BitbucketWorkspace")
    finding = checks_of(server, port, bitbucket_url=f"{server.url}/wrong").bitbucket()
    assert finding.outcome == "failed"
    assert finding.fix.startswith("Correct BitbucketUrl")


def test_a_workspace_that_is_closed_to_the_token_is_a_refusal(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    cloud.fail_next(1, 403, "/workspaces/acme")
    finding = checks_of(cloud, port).bitbucket()
    assert (finding.outcome, finding.fix) == ("failed", "Give the token's account access to workspace acme.")


def test_something_else_at_the_address_may_be_a_proxy_that_goes_away(
    server: BitbucketServerStandIn, port: PortStandIn, answers: Answers
) -> None:
    finding = checks_of(server, port, bitbucket_url=answers.url).bitbucket()
    assert (finding.outcome, "is not Bitbucket" in finding.text) == ("warning", True)


def test_in_webhook_only_mode_bitbucket_is_not_asked(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    assert checks_of(cloud, port, bitbucket_api="none").bitbucket().outcome == "skipped"
    assert cloud.requests == []


# --- what they may do ------------------------------------------------------------------------------------------------


def test_the_scopes_come_with_the_answer_that_let_us_in(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    cloud.scopes = {"account", "project", "pullrequest"}
    checks = checks_of(cloud, port)
    checks.bitbucket()
    sent = len(cloud.requests)
    (finding,) = checks.permissions()
    assert (finding.outcome, "lacks webhook" in finding.text) == ("warning", True)
    assert len(cloud.requests) == sent
    checks.settings = replace(checks.settings, live_events=False)
    assert checks.permissions()[0].outcome == "ok"


@pytest.mark.parametrize(
    ("version", "outcome"), [("7.21.0", "ok"), ("8.19.1", "ok"), ("10.2.0", "ok"), ("6.10.2", "warning")]
)
def test_the_version_of_a_data_center_is_told(
    version: str, outcome: str, server: BitbucketServerStandIn, port: PortStandIn
) -> None:
    server.version = version
    (finding,) = checks_of(server, port).permissions()
    assert (finding.outcome, finding.text) == (outcome, f"Bitbucket Data Center {version}.")


def test_an_estimate_counts_what_is_there(
    cloud: BitbucketCloudStandIn, server: BitbucketServerStandIn, port: PortStandIn
) -> None:
    (finding,) = checks_of(cloud, port, scheduled_resync_interval=360.0).estimate()
    assert finding.text.startswith("1 project, 1 repository, ")
    assert finding.text.endswith(
        "less than a minute at 10,000 an hour with the live reserve; your interval of 6 h is long enough."
    )
    (finding,) = checks_of(server, port).estimate()
    assert finding.text.endswith("; Bitbucket tells of no limit.")


def test_an_account_that_sees_nothing_is_told_so(server: BitbucketServerStandIn, port: PortStandIn) -> None:
    server.world.set_permission(server.world.repository("PAY/ledger"), None)
    findings = checks_of(server, port).estimate()
    assert [finding.outcome for finding in findings] == ["ok", "warning"]
    assert "shows this account no repository" in findings[1].text


# --- other installations ---------------------------------------------------------------------------------------------


def others(port: PortStandIn, cloud: BitbucketCloudStandIn, version: str = "") -> list[str]:
    found = checks_of(cloud, port, version=version).other_installations()
    return [str(finding) for finding in found if finding.outcome == "warning"]


def test_ports_own_integration_for_the_same_blueprints_is_named(
    cloud: BitbucketCloudStandIn, port: PortStandIn
) -> None:
    port.put_integration("mine", app_type="bitbucket-cloud", config=OCEAN_MAPPING)
    (text,) = others(port, cloud)
    assert "'mine' (bitbucket-cloud) feeds the same blueprint: bitbucketCloudRepository." in text
    assert "docs/migrate-from-ocean.md" in text


def test_integrations_of_other_blueprints_or_without_a_mapping_are_no_business_of_ours(
    cloud: BitbucketCloudStandIn, port: PortStandIn
) -> None:
    port.put_integration("github", app_type="github-ocean", config={"resources": [{"kind": "x", "selector": {}}]})
    port.put_integration("empty", app_type="bitbucket-cloud")
    assert others(port, cloud) == []


def test_another_stack_beside_this_one_is_no_clash(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    port.put_integration("bitbucket-cloud-other", app_type="bitbucket-cloud", config=OCEAN_MAPPING)
    port.put_blueprint({"identifier": "bitbucketCloudRepository"})
    source = "port-ocean/bitbucket-cloud/0.9.0+stack.0a1b2c3d/bitbucket-cloud-other/exporter"
    port.put_entity("bitbucketCloudRepository", "other/ledger", datasource=source)
    assert others(port, cloud) == []


def test_somebody_else_under_our_identifier_is_told_until_this_stack_has_registered_itself(
    cloud: BitbucketCloudStandIn, port: PortStandIn
) -> None:
    checks = checks_of(cloud, port)
    registered = {
        "installationId": "bitbucket-cloud-acme",
        "installationAppType": "bitbucket-cloud",
        "version": "0.7.4",
    }
    checks.port_client.call("POST", "/v1/integration", json={**registered, "changelogDestination": {}}, ok=(201,))
    (text,) = others(port, cloud)
    assert "is registered in version 0.7.4" in text
    assert others(port, cloud, version="0.7.4") == []


def test_whoever_may_not_list_integrations_is_told_where_to_look(
    cloud: BitbucketCloudStandIn, port: PortStandIn
) -> None:
    checks = checks_of(cloud, port)
    port.fail_next(1, 403, "GET /v1/integration")
    (finding,) = checks.other_installations()
    assert (finding.outcome, "Data sources" in finding.fix) == ("skipped", True)


# --- the way back ----------------------------------------------------------------------------------------------------


class Answers(HTTPServer):
    """Something that answers; ``status`` may be changed, ``event_keys`` are what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.event_keys: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_POST(self) -> None:
        self.server.event_keys.append(self.headers["X-Event-Key"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def reachable(checks: Checks) -> tuple[str, str]:
    (finding,) = checks.reachability()
    return finding.outcome, finding.text


def test_for_cloud_the_address_is_tried_as_its_connection_test_would(
    cloud: BitbucketCloudStandIn, port: PortStandIn, answers: Answers
) -> None:
    checks = checks_of(cloud, port, base_url=answers.url)
    assert reachable(checks)[0] == "ok"
    assert answers.event_keys == ["diagnostics:ping"]
    answers.status = 404
    assert reachable(checks) == (
        "warning",
        f"{answers.url}/webhooks answered a connection test with 404 instead of 200.",
    )


def test_an_address_that_does_not_answer_is_a_warning(cloud: BitbucketCloudStandIn, port: PortStandIn) -> None:
    outcome, text = reachable(checks_of(cloud, port, base_url="http://127.0.0.1:9"))
    assert (outcome, "ConnectionError" in text) == ("warning", True)


@pytest.mark.parametrize("url", ["http://localhost:3000", "https://10.1.2.3", "https://hooks.corp.internal"])
def test_an_address_that_the_internet_cannot_know_is_not_even_tried(
    url: str, cloud: BitbucketCloudStandIn, port: PortStandIn
) -> None:
    checks = checks_of(cloud, port, base_url=url)
    checks.settings = replace(checks.settings, bitbucket_url="https://api.bitbucket.org/2.0")
    assert reachable(checks) == ("warning", f"{url}/webhooks is no address that Bitbucket Cloud can reach.")


def test_a_data_center_tries_itself_and_nobody_does_where_no_webhooks_are_made(
    server: BitbucketServerStandIn, port: PortStandIn
) -> None:
    checks = checks_of(server, port)
    assert reachable(checks) == ("ok", "the server called https://hooks.example.com/webhooks")
    checks.settings = replace(checks.settings, live_events=False)
    assert checks.reachability() == []
