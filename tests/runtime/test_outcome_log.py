"""What became of an object can be logged, whatever it was."""

from __future__ import annotations

import io
import json

from aws_lambda_powertools import Logger

from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.objects import EntityKey, SourceKey

KEY = SourceKey("repository", "-", "1")
EVERYTHING = Outcome(
    key=KEY,
    result="applied",
    reading="page",
    written=3,
    created=2,
    updated=1,
    renamed=1,
    deleted=1,
    unchanged=1,
    mapped=4,
    problems=("the blueprint lacks a property",),
    parent=Outcome(KEY, "unchanged"),
    planned=(EntityKey("service", "one"),),
    below={"pullRequest": 2},
    aged=True,
    failed="Port refused it",
    transient=True,
    retry_after=5.0,
)


def test_every_field_of_an_outcome_can_be_logged() -> None:
    stream = io.StringIO()
    logger = Logger(service="stack", stream=stream, logger_handler=None)

    logger.info("%s %s", EVERYTHING.key, EVERYTHING.result, extra=EVERYTHING.log_fields())

    line = json.loads(stream.getvalue())
    assert (line["new"], line["written"], line["problems"]) == (2, 3, ["the blueprint lacks a property"])
    assert "key" not in line
    assert "parent" not in line


def test_what_is_zero_or_empty_is_left_out() -> None:
    assert Outcome(KEY, "unchanged").log_fields() == {"result": "unchanged", "reading": "none"}
