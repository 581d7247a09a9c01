"""What the command knows of a stack is what its own functions know: nothing new in the template is forgotten."""

from __future__ import annotations

from bitbucket_port.cli import stack
from bitbucket_port.settings import Settings
from bitbucket_port.webhooks.event_keys import FAMILIES
from scripts.sam_template import functions, read

TEMPLATE = read()
NOT_OURS = {"HTTPS_PROXY", "NO_PROXY", "POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
"""Where the caller is decides about proxies, and how he wants to hear of things."""
FROM_THE_STACK = {
    *stack._RESOURCES.values(),
    *stack._STORED_SECRETS.values(),
    "STACK_ID",
    "BASE_URL",
}


def test_every_variable_of_the_functions_that_set_up_and_resync_is_known() -> None:
    for name in ("SetUpFunction", "ResyncWorker", "ResyncStart"):
        variables = set(functions(TEMPLATE)[name]["Environment"]["Variables"])
        assert variables - NOT_OURS - set(stack._PARAMETERS.values()) - FROM_THE_STACK == set()


def test_every_parameter_and_resource_is_in_the_template() -> None:
    assert stack._PARAMETERS.keys() <= TEMPLATE["Parameters"].keys()
    assert {*stack._RESOURCES, *stack._STORED_SECRETS} <= TEMPLATE["Resources"].keys()
    assert "WebhookUrl" in TEMPLATE["Outputs"]


def test_each_family_has_a_queue_and_dead_letters_as_status_names_them() -> None:
    names = ["".join(part.title() for part in family.split("-")) for family in FAMILIES] + ["ResyncJobs"]
    queues = {name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::SQS::Queue"}
    assert queues == {f"{name}{kind}" for name in names for kind in ("Queue", "DeadLetters")}


def test_the_variables_make_settings() -> None:
    given = dict.fromkeys(stack._PARAMETERS.values(), "") | {
        "BITBUCKET_PRODUCT": "server",
        "BITBUCKET_URL": "https://bitbucket.acme.example",
        "PORT_CLIENT_ID": "id",
        "CREDENTIALS_SECRET_ARN": "arn:secret",
        **dict.fromkeys(FROM_THE_STACK, "https://name"),
    }
    settings = Settings.from_environment(given)
    assert (settings.stack_id, settings.webhook_secret) == ("https://name", "https://name")
