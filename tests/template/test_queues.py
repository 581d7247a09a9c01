"""No message is lost: every queue has its dead letters, every dead letter raises an alarm, and the numbers fit."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.sam_template import Template, functions
from tests.template.cloudformation import resources

DAY = 24 * 3600
LIVE = ("Project", "Repository", "Push", "PullRequest")
CONSUMER_OF = {**{f"{family}Queue": f"{family}Process" for family in LIVE}, "ResyncJobsQueue": "ResyncWorker"}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"


def queues(template: Template) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::SQS::Queue"
    }


def test_there_is_one_standard_queue_per_family_and_one_for_jobs_each_with_dead_letters(template: Template) -> None:
    dead_letters = {name.replace("Queue", "DeadLetters") for name in CONSUMER_OF}

    assert set(queues(template)) == set(CONSUMER_OF) | dead_letters
    assert not any("FifoQueue" in queue for queue in queues(template).values())


@pytest.mark.parametrize("queue", CONSUMER_OF)
def test_a_queue_gives_up_on_a_message_into_its_own_dead_letters(template: Template, queue: str) -> None:
    redrive = queues(template)[queue]["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [queue.replace("Queue", "DeadLetters"), "Arn"]}
    assert redrive["maxReceiveCount"] == (100 if queue == "ResyncJobsQueue" else 500)


@pytest.mark.parametrize("queue", CONSUMER_OF)
def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_run(template: Template, queue: str) -> None:
    visibility = queues(template)[queue]["VisibilityTimeout"]

    assert visibility >= 6 * functions(template)[CONSUMER_OF[queue]]["Timeout"]
    assert visibility == (1800 if queue == "ResyncJobsQueue" else 180)


@pytest.mark.parametrize("queue", CONSUMER_OF)
def test_dead_letters_outlive_their_queue_whose_age_they_inherit(template: Template, queue: str) -> None:
    found = queues(template)

    assert found[queue]["MessageRetentionPeriod"] == 7 * DAY
    assert found[queue.replace("Queue", "DeadLetters")]["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.parametrize("queue", CONSUMER_OF)
def test_a_single_dead_letter_raises_an_alarm(template: Template, queue: str) -> None:
    name = queue.replace("Queue", "DeadLetters")
    alarm = template["Resources"][f"{name}Alarm"]["Properties"]

    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}}]
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


TOPIC = "arn:aws:sns:eu-west-1:111122223333:mine"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"AlarmTopicArn": TOPIC}, [TOPIC]),
        ({"AlarmEmail": "ops@example.com"}, [{"Ref": "AlarmTopic"}]),
        ({"AlarmEmail": "ops@example.com", "AlarmTopicArn": TOPIC}, [{"Ref": "AlarmTopic"}, TOPIC]),
    ],
    ids=["nobody", "own topic", "e-mail", "both"],
)
def test_alarms_tell_whom_the_parameters_name(template: Template, given: dict[str, str], told: list[Any]) -> None:
    deployed = resources(template, given)
    alarms = [r["Properties"] for r in deployed.values() if r["Type"] == "AWS::CloudWatch::Alarm"]

    assert len(alarms) == len(CONSUMER_OF)
    assert all(alarm["AlarmActions"] == told for alarm in alarms)
    assert ("AlarmTopic" in deployed) == ("AlarmEmail" in given)


def test_functions_take_one_message_at_a_time_and_report_it_by_itself(template: Template) -> None:
    sources = {
        name: function["Events"]["Queue"]["Properties"]
        for name, function in functions(template).items()
        if "Queue" in function.get("Events", {})
    }

    assert {name: source["Queue"]["Fn::GetAtt"][0] for name, source in sources.items()} == {
        consumer: queue for queue, consumer in CONSUMER_OF.items()
    }
    for source in sources.values():
        assert source["BatchSize"] == 1
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "FilterCriteria" not in source


def test_the_consumers_together_fit_into_the_ten_executions_of_a_new_account(template: Template) -> None:
    given = resources(template, {})
    limits = [
        int(given[consumer]["Properties"]["Events"]["Queue"]["Properties"]["ScalingConfig"]["MaximumConcurrency"])
        for consumer in CONSUMER_OF.values()
    ]

    assert sum(limits) <= 10
    assert not any("ReservedConcurrentExecutions" in function for function in functions(template).values())


def test_queues_are_always_encrypted_with_the_given_key_if_there_is_one(template: Template) -> None:
    for given, expected in (({}, (True, None)), ({"KmsKeyArn": KEY}, (None, KEY))):
        deployed = resources(template, given)
        for name in queues(template):
            properties = deployed[name]["Properties"]
            assert (properties.get("SqsManagedSseEnabled"), properties.get("KmsMasterKeyId")) == expected
