"""The functions are what the code expects: handlers, routes, environment, limits."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.settings import Settings
from scripts.sam_template import REGION, TEMPLATE, Template, functions, translate
from tests.template.cloudformation import resources

ROUTES = {
    "ProjectReceive": "/webhooks/project",
    "RepositoryReceive": "/webhooks/repository",
    "PushReceive": "/webhooks/push",
    "PullRequestReceive": "/webhooks/pull-request",
    "WebhookReceive": "/webhooks",
}
OWN_QUEUE = {
    "ProjectProcess": "PROJECT_QUEUE_URL",
    "RepositoryProcess": "REPOSITORY_QUEUE_URL",
    "PushProcess": "PUSH_QUEUE_URL",
    "PullRequestProcess": "PULL_REQUEST_QUEUE_URL",
    "ResyncWorker": "RESYNC_JOBS_QUEUE_URL",
}
START = "ResyncStart"
SET_UP = "SetUpFunction"
EVERYWHERE = {"BITBUCKET_PRODUCT", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}
RECEIVE = EVERYWHERE | {
    "WEBHOOK_SECRET_ARN",
    "PROJECT_QUEUE_URL",
    "REPOSITORY_QUEUE_URL",
    "PUSH_QUEUE_URL",
    "PULL_REQUEST_QUEUE_URL",
}
CONSUME = EVERYWHERE | {
    "BITBUCKET_WORKSPACE",
    "BITBUCKET_URL",
    "BITBUCKET_USERNAME",
    "BITBUCKET_API",
    "BITBUCKET_TOKEN_SECRET_ARN",
    "PORT_CLIENT_ID",
    "PORT_BASE_URL",
    "PORT_CLIENT_SECRET_SECRET_ARN",
    "CREDENTIALS_SECRET_ARN",
    "INTEGRATION_IDENTIFIER",
    "MAPPING_SOURCE",
    "MAPPING_PRESET",
    "LEDGER_TABLE",
    "RESYNC_JOBS_QUEUE_URL",
    "HTTPS_PROXY",
    "NO_PROXY",
    "CA_BUNDLE_SECRET_ARN",
}
INTERVALS = {"SCHEDULED_RESYNC_INTERVAL": "ScheduledResyncInterval", "LIST_INTERVAL": "ListInterval"}
SWITCHES = {"LIVE_EVENTS": "LiveEvents", "INITIALIZE_PORT_RESOURCES": "InitializePortResources"}
SETTING_UP = {"BASE_URL", "WEBHOOK_SECRET_ARN", "STACK_ID", "BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER", *SWITCHES}
MORE = {
    "ResyncWorker": {*INTERVALS, *SETTING_UP, "SEND_RAW_DATA_EXAMPLES"},
    SET_UP: {*INTERVALS, *SETTING_UP, "SEND_RAW_DATA_EXAMPLES"},
    START: {*INTERVALS, *SWITCHES, "PORT_POLL_INTERVAL"},
}
"""Function → what it knows besides ``CONSUME``."""


def test_there_is_a_receive_and_a_process_per_family_one_more_receive_two_for_resyncs_and_set_up(
    template: Template,
) -> None:
    assert set(functions(template)) == set(ROUTES) | set(OWN_QUEUE) | {START, SET_UP}


@pytest.mark.parametrize("name", [*ROUTES, *OWN_QUEUE, START, SET_UP])
def test_the_handler_named_in_the_template_exists(template: Template, name: str) -> None:
    function = functions(template)[name]
    module, handler = function["Handler"].split(".")
    source = (TEMPLATE.parent / function["CodeUri"] / f"{module}.py").read_text(encoding="utf-8")

    assert f"def {handler}(event" in source


@pytest.mark.parametrize("name", ROUTES)
def test_receive_has_its_route_and_no_more_environment_than_it_needs(template: Template, name: str) -> None:
    function = functions(template)[name]

    assert [event["Properties"] for event in function["Events"].values()] == [
        {"ApiId": {"Ref": "WebhookApi"}, "Method": "POST", "Path": ROUTES[name], "PayloadFormatVersion": "2.0"}
    ]
    assert set(function["Environment"]["Variables"]) == RECEIVE


@pytest.mark.parametrize("name", OWN_QUEUE)
def test_process_and_worker_know_their_own_queue_and_process_not_the_webhook_secret(
    template: Template, name: str
) -> None:
    variables = functions(template)[name]["Environment"]["Variables"]
    queue = functions(template)[name]["Events"]["Queue"]["Properties"]["Queue"]["Fn::GetAtt"][0]

    assert set(variables) == CONSUME | MORE.get(name, set()) | {OWN_QUEUE[name]}
    assert variables[OWN_QUEUE[name]] == {"Ref": queue}


def test_what_begins_resyncs_knows_when_they_are_due_and_how_to_ask_port(template: Template) -> None:
    variables = functions(template)[START]["Environment"]["Variables"]
    wanted = {**INTERVALS, **SWITCHES, "PORT_POLL_INTERVAL": "PortPollInterval"}

    assert set(variables) == CONSUME - {"BITBUCKET_USERNAME"} | MORE[START]
    assert {name: variables[name] for name in wanted} == {name: {"Ref": ref} for name, ref in wanted.items()}


def test_set_up_and_the_worker_which_repeats_it_know_the_same(template: Template) -> None:
    worker, set_up = (functions(template)[name]["Environment"]["Variables"] for name in ("ResyncWorker", SET_UP))

    assert set_up == worker
    assert set(set_up) == CONSUME | MORE[SET_UP]
    assert set_up["STACK_ID"] == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"Fn::GetAtt": ["WebhookApi", "ApiEndpoint"]}),
        ({"BaseUrl": "https://a.example.com"}, "https://a.example.com"),
    ],
)
def test_webhooks_are_sent_to_the_api_unless_another_address_is_given(
    template: Template, given: dict[str, str], expected: Any
) -> None:
    deployed = resources(template, given)

    assert deployed[SET_UP]["Properties"]["Environment"]["Variables"]["BASE_URL"] == expected
    assert deployed["ResyncWorker"]["Properties"]["Environment"]["Variables"]["BASE_URL"] == expected
    assert deployed["SetUp"]["Properties"]["BaseUrl"] == expected


@pytest.mark.parametrize("given", [{}, {"BitbucketProduct": "server", "BitbucketUrl": "https://git.example.com"}])
def test_the_environment_of_every_function_that_has_settings_is_read_without_complaint(
    template: Template, given: dict[str, str]
) -> None:
    deployed = resources(template, {"BitbucketWorkspace": "acme", **given})
    product: str = given.get("BitbucketProduct", "cloud")
    for name in (*OWN_QUEUE, START, SET_UP):
        variables = deployed[name]["Properties"]["Environment"]["Variables"] | {"BITBUCKET_PRODUCT": product}
        variables |= {"BASE_URL": "https://api.example.com"} if "BASE_URL" in variables else {}
        settings = Settings.from_environment({key: value_of(value) for key, value in variables.items()})
        if set(INTERVALS) <= set(variables):
            assert (settings.scheduled_resync_interval, settings.list_interval) == (360, 15 if given else 60)


def value_of(value: Any) -> str:
    """What stands for a reference to a resource: its name."""
    return value if isinstance(value, str) else str(next(iter(value.values())))


def test_an_existing_secret_takes_the_place_of_the_stored_ones(template: Template) -> None:
    mine = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:mine-abcdef"
    deployed = resources(template, {"CredentialsSecretArn": mine})
    variables = deployed["PushProcess"]["Properties"]["Environment"]["Variables"]

    assert variables["CREDENTIALS_SECRET_ARN"] == mine
    assert variables["BITBUCKET_TOKEN_SECRET_ARN"] == variables["PORT_CLIENT_SECRET_SECRET_ARN"] == ""
    assert "StoredBitbucketToken" not in deployed
    assert "StoredPortClientSecret" not in deployed
    assert "WebhookSecret" in deployed


def test_time_memory_runtime_and_processor(template: Template) -> None:
    deployed = functions(template)

    assert {name: function["Timeout"] for name, function in deployed.items()} == {
        **dict.fromkeys(ROUTES, 10),
        **dict.fromkeys(OWN_QUEUE, 30),
        START: 30,
        "ResyncWorker": 300,
        SET_UP: 900,
    }
    for function in deployed.values():
        assert function["MemorySize"] == 512
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == [{"Ref": "Architecture"}]
        assert function["Layers"] == [{"Ref": "DependenciesLayer"}, {"Ref": "BitbucketPortLayer"}]


def test_only_the_worker_may_feed_its_own_queue(template: Template) -> None:
    assert {name for name, function in functions(template).items() if "RecursiveLoop" in function} == {"ResyncWorker"}
    assert functions(template)["ResyncWorker"]["RecursiveLoop"] == "Allow"


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, "ENABLED"),
        ({"ScheduledResyncInterval": "0"}, "ENABLED"),
        ({"ListInterval": "0"}, "ENABLED"),
        ({"ListInterval": "5", "ScheduledResyncInterval": "0"}, "ENABLED"),
        ({"ListInterval": "0", "ScheduledResyncInterval": "0"}, "ENABLED"),
        ({"ListInterval": "0", "ScheduledResyncInterval": "0", "PortPollInterval": "0"}, "DISABLED"),
        ({"PortPollInterval": "0"}, "ENABLED"),
        ({"BitbucketApi": "none"}, "DISABLED"),
        ({"BitbucketApi": "none", "ListInterval": "5"}, "DISABLED"),
    ],
)
def test_a_tick_comes_every_minute_unless_nothing_is_ever_due(
    template: Template, given: dict[str, str], state: str
) -> None:
    tick = resources(template, given)["ResyncTick"]["Properties"]

    assert tick["State"] == state
    assert tick["ScheduleExpression"] == "rate(1 minute)"
    assert tick["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert tick["Target"]["Arn"] == {"Fn::GetAtt": [START, "Arn"]}


def test_a_tick_that_could_not_be_handed_over_is_left_to_the_next(template: Template) -> None:
    target = template["Resources"]["ResyncTick"]["Properties"]["Target"]

    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    assert "Input" not in target


def test_what_receives_webhooks_never_joins_a_network(template: Template) -> None:
    inside = resources(template, {"VpcSubnetIds": "subnet-1,subnet-2", "VpcSecurityGroupIds": "sg-1"})
    outside = resources(template, {})

    assert {name for name in functions(template) if "VpcConfig" in inside[name]["Properties"]} == {
        *OWN_QUEUE,
        START,
        SET_UP,
    }
    assert {name for name in functions(template) if "VpcConfig" in outside[name]["Properties"]} == set()
    assert inside["PushProcess"]["Properties"]["VpcConfig"] == {
        "SubnetIds": {"Fn::Split": [",", "subnet-1,subnet-2"]},
        "SecurityGroupIds": {"Fn::Split": [",", "sg-1"]},
    }


def test_a_proxy_is_for_bitbucket_and_port_not_for_aws(template: Template) -> None:
    variables = functions(template)["PushProcess"]["Environment"]["Variables"]

    assert variables["HTTPS_PROXY"] == {"Ref": "HttpsProxy"}
    assert ".${AWS::URLSuffix}" in variables["NO_PROXY"]["Fn::Sub"]


def test_the_globals_do_not_close_a_circle_with_the_api(template: Template) -> None:
    assert "WebhookApi" not in str(template["Globals"])


def test_every_function_keeps_its_logs_for_the_days_asked_for(template: Template) -> None:
    groups = {
        name: resource["Properties"]["RetentionInDays"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }

    assert set(groups) == {*(f"{name}Logs" for name in functions(template)), "ApiAccessLogs"}
    assert all(retention == {"Ref": "LogRetentionDays"} for retention in groups.values())


def test_the_translated_api_has_the_five_routes_and_no_other(template: Template) -> None:
    api = translate(template)["Resources"]["WebhookApi"]["Properties"]["Body"]

    assert {path: set(methods) for path, methods in api["paths"].items()} == {
        path: {"post"} for path in ROUTES.values()
    }
    assert REGION not in str(api)
